/**
 * The main job on three hosts: real nats-server, controller, agents and Chaussette, each host a network namespace where
 * the machine permits it. The tests follow each other on one fleet; each leaves it whole.
 */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FleetAnswers, HostStatus, RolloutRecord } from "@circus-cluster/proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { exampleDir } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { waitFor } from "../support/wait.ts";

const NAMES = ["web1", "web2", "web3"];
let fleet: RealFleet;

beforeAll(async () => {
  fleet = await RealFleet.start(NAMES);
  await whole();
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await assertNoLeaks();
});

async function status(): Promise<Map<string, HostStatus>> {
  const { hosts } = await fleet.json<FleetAnswers["status"]>("--all status");
  return new Map(hosts.map((host) => [host.host, host]));
}

/** Until the controller sees two healthy processes on each host; returns their pids. */
async function whole(): Promise<Map<string, readonly number[]>> {
  return await waitFor(
    async () => {
      const hosts = await status();
      const pids = NAMES.map((name) => {
        const host = hosts.get(name);
        const watcher = host?.watchers.find((one) => one.name === "myworker");
        return [name, host?.presence === "online" && watcher?.healthy === 2 ? watcher.pids : []] as const;
      });
      return pids.every(([, list]) => list.length === 2) && new Map(pids);
    },
    { what: "three whole hosts", deadlineMs: 30_000, everyMs: 100 },
  );
}

const rolloutOf = async (id: string): Promise<RolloutRecord> =>
  (await fleet.json<{ rollout: RolloutRecord }>(`rollout show ${id}`)).rollout;

/** The id that the first line of a rollout's progress names. */
const idIn = (stdout: string): string => /^rollout (\S+): restart myworker/.exec(stdout)?.[1] ?? "";

describe("--all restart", () => {
  it("rolls through all hosts under load without one failed request, in the waves that it shows", async () => {
    const before = await whole();
    const loads = await Promise.all(NAMES.map((name) => fleet.startLoad(name)));
    const { code, stdout, stderr } = await fleet.ctl("--all restart myworker --soak 500ms");
    const reports = await Promise.all(loads.map((load) => load.stop()));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^rollout \S+: restart myworker on 3 hosts in 3 waves/);
    expect(stdout).toMatch(/wave 3\/3 {2}web3 {2}done\nrollout \S+ done: 3 of 3 hosts in \S+\n$/);
    for (const report of reports) {
      expect(report.failures).toEqual([]);
      expect(report.requests).toBeGreaterThan(100);
      expect(report.byWorker.size).toBeGreaterThanOrEqual(3); // some of before, some of after
    }
    const record = await rolloutOf(idIn(stdout));
    expect(record).toMatchObject({ state: "done", actor: "admin", command: "restart", watcher: "myworker" });
    expect(record.steps.map(({ host, wave, state }) => ({ host, wave, state }))).toEqual(
      NAMES.map((host, wave) => ({ host, wave, state: "done" })),
    );
    const ends = record.steps.map(({ updated }) => updated);
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    const after = await whole();
    for (const { host, pidsBefore, pidsAfter } of record.steps) {
      expect([...pidsBefore].sort()).toEqual([...(before.get(host) ?? [])].sort());
      expect([...pidsAfter].sort()).toEqual([...(after.get(host) ?? [])].sort());
      expect(pidsAfter.filter((pid) => pidsBefore.includes(pid))).toEqual([]);
    }
  });

  it("stops at the host whose program is broken, with 4, and touches none after it", async () => {
    const before = await whole();
    const { appFile } = fleet.host("web2");
    await writeFile(appFile, "raise RuntimeError('a broken release')\n");
    await using first = await fleet.startLoad("web1");
    await using last = await fleet.startLoad("web3");
    const args = "--all restart myworker --soak 6s --health-timeout 10s";
    const { code, stdout, stderr } = await fleet.ctl(args);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^failed: web2 \(.+\)$/m);
    expect(stderr).toMatch(/^untouched: web3$/m);
    expect((await first.stop()).failures).toEqual([]);
    expect((await last.stop()).failures).toEqual([]);
    const record = await rolloutOf(idIn(stdout));
    expect(record.state).toBe("failed");
    expect(record.steps.map(({ state }) => state)).toEqual(["done", "failed", "untouched"]);
    await copyFile(join(exampleDir, "app.py"), appFile);
    expect(await fleet.ctl("--host web2 restart myworker --at-once")).toMatchObject({ code: 0, stderr: "" });
    const after = await whole();
    expect(after.get("web3")).toEqual(before.get("web3"));
    expect(after.get("web1")).not.toEqual(before.get("web1"));
    const list = await fleet.json<FleetAnswers["rollout-list"]>("rollout list");
    expect(list.rollouts.map(({ state }) => state)).toEqual(["failed", "done"]);
  });
});

describe("history", () => {
  it("--at a moment at which one host was stopped says so there, and active elsewhere", async () => {
    const state = async (): Promise<string | undefined> => (await status()).get("web2")?.watchers[0]?.state;
    expect(await fleet.ctl("--host web2 stop myworker")).toMatchObject({ code: 0 });
    await waitFor(async () => (await state()) === "stopped", { what: "web2 to be stopped", everyMs: 100 });
    const middle = new Date().toISOString();
    expect(await fleet.ctl("--host web2 start myworker")).toMatchObject({ code: 0 });
    await whole();
    const at = await fleet.json<FleetAnswers["history-at"]>(`--all history myworker --at ${middle}`);
    expect(at.rows.map(({ host, state }) => ({ host, state }))).toEqual([
      { host: "web1", state: "active" },
      { host: "web2", state: "stopped" },
      { host: "web3", state: "active" },
    ]);
    expect(at.rows[1]).toMatchObject({ actor: "admin" });
    const text = await fleet.ctl("--all history myworker --since 1h");
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^web2 {2}myworker {2}stopped .* admin$/m);
    expect(text.stdout).not.toContain("ctl1"); // what the rollouts did was asked for by admin
  });
});

describe("events and uptime", () => {
  it("tell who did what, and how long it was down", async () => {
    const events = await fleet.json<FleetAnswers["events"]>("--host web2 events myworker --kind command_accepted");
    const stop = events.rows.find(({ data }) => data["command"] === "stop");
    expect(stop).toMatchObject({ host: "web2", watcher: "myworker", actor: "admin" });
    const none = await fleet.json<FleetAnswers["events"]>("--all events --actor eve");
    expect(none.rows).toEqual([]);
    const csv = await fleet.ctl("--all events --kind watcher_stopped --csv --utc");
    expect(csv.stdout).toMatch(
      /^time,stored,host,.*\r\n(.*\r\n)*20\d\d-.*,web2,\d+,\d+,myworker,watcher_stopped,.*,admin,/,
    );

    const uptime = await fleet.json<FleetAnswers["uptime"]>("--all uptime myworker --since 1h");
    const [web1, web2] = uptime.rows;
    expect(uptime.rows.map(({ host }) => host)).toEqual(NAMES);
    expect(web2?.stoppedMs).toBeGreaterThan(0);
    expect(web2?.percent).toBeLessThan(100);
    expect(web2?.outage?.ms).toBeGreaterThan(0);
    expect(web1?.percent).toBeGreaterThan(0);
    expect(web2?.exits).toBeGreaterThan(0);
  });

  it("--follow shows what happens as it happens, until Ctrl-C", async () => {
    await using follower = await fleet.startCtl("--host web1 events myworker --follow --kind process_spawned");
    await follower.waitForLine(/web1 {2}myworker {2}process_spawned/); // of the past: so it listens
    const { agent } = fleet.host("web1");
    const pids = async (): Promise<number[]> =>
      ((await agent.call("list", { name: "myworker" })) as unknown as { pids: number[] }).pids;
    const before = await pids();
    process.kill(before[0]!, "SIGKILL");
    const successor = await waitFor(async () => (await pids()).find((pid) => !before.includes(pid)), {
      what: "a successor",
    });
    await follower.waitForLine(new RegExp(`web1 {2}myworker {2}process_spawned {2}pid ${successor}\\b`));
    follower.kill("SIGINT");
    expect(await follower.exited).toMatchObject({ code: 0 });
    await whole();
  });
});

describe("--drain", () => {
  interface Told {
    readonly hook_name: string;
    readonly watcher: { readonly processes: readonly { readonly pid: number }[] };
  }

  /** Hooks that write down what they are told; `before_drain` says no where a file `no` is. */
  async function withHooks(name: string): Promise<{ told(): Promise<[string, number[]][]>; refuse: string }> {
    const dir = dirname(fleet.host(name).appFile);
    const [script, log, refuse] = ["drain.sh", "drain.log", "no"].map((file) => join(dir, file)) as [
      string,
      string,
      string,
    ];
    const text = `#!/bin/sh\ncat >>"${log}"\n[ "$CIRCUS_HOOK" = after_undrain ] || [ ! -e "${refuse}" ]\n`;
    await writeFile(script, text, { mode: 0o755 });
    const { agent } = fleet.host(name);
    const options = { "hooks.before_drain": `exec: ${script}`, "hooks.after_undrain": `exec: ${script}` };
    await agent.call("set", { name: "myworker", options, waiting: true });
    const told = async (): Promise<[string, number[]][]> => {
      const lines = (await readFile(log, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
      const calls = lines.map((line) => JSON.parse(line) as Told);
      return calls.map(({ hook_name: hook, watcher }) => [hook, watcher.processes.map(({ pid }) => pid)]);
    };
    return { told, refuse };
  }

  it("calls the hooks around each restart, once, also where the controller dies while a host is out; a no stops it", async () => {
    const before = await whole();
    const [web1, web2, web3] = await Promise.all(NAMES.map(withHooks));
    const plan = await fleet.ctl("--all restart myworker --drain 2s --dry-run");
    expect(plan.stdout).toMatch(/^restart myworker on 3 hosts in 3 waves; .*, drained 2s before,/);
    const { rollout } = await fleet.json<{ rollout: RolloutRecord }>(
      "--all restart myworker --drain 1s --soak 200ms --detach",
    );
    await waitFor(async () => (await rolloutOf(rollout.id)).steps[0]?.state === "drained", {
      what: "web1 to be out",
      deadlineMs: 30_000,
      everyMs: 50,
    });
    await fleet.killController();
    await fleet.startController();
    const { code, stdout } = await fleet.ctl(`rollout watch ${rollout.id}`);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("web3  done") as string });
    // What is watched may pass over a state that was short; the events do not.
    const drained = ["draining", "drained", "undraining", "soaking", "done"];
    const stepsOf = async (host: string): Promise<string[]> => {
      const { rows } = await fleet.json<FleetAnswers["events"]>("--all events --kind rollout_step --limit 500");
      const own = rows.filter(({ data }) => data["rollout"] === rollout.id && data["host"] === host);
      const steps = own.sort((a, b) => a.epoch - b.epoch || a.seq - b.seq).map(({ data }) => String(data["state"]));
      return steps.filter((state) => drained.includes(state));
    };
    await waitFor(async () => (await stepsOf("web3")).includes("done"), { what: "the last event of web3" });
    expect(await stepsOf("web3")).toEqual(drained);
    const after = await whole();
    for (const [at, host] of [web1, web2, web3].entries()) {
      const name = NAMES[at]!;
      expect(await host!.told()).toEqual([
        ["before_drain", before.get(name)],
        ["after_undrain", after.get(name)],
      ]);
    }

    await writeFile(web2!.refuse, "");
    const refused = await fleet.ctl("--all restart myworker --drain 100ms --soak 200ms");
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/^failed: web2 \(hook before_drain said no\)\nuntouched: web3$/m);
    const pids = await whole();
    for (const name of ["web2", "web3"]) expect(pids.get(name)).toEqual(after.get(name));
    expect((await web2!.told()).slice(2)).toEqual([
      ["before_drain", after.get("web2")],
      ["after_undrain", after.get("web2")],
    ]);
    expect(await web3!.told()).toHaveLength(2);
  });
});

describe("--all reloadconfig", () => {
  it("goes wave by wave and stops at a bad file, or to all at once: each host answers for itself", async () => {
    const texts = new Map<string, string>();
    for (const { name, agent } of fleet.hosts) texts.set(name, await readFile(agent.iniFile, "utf8"));
    const write = async (name: string, more: string): Promise<void> =>
      await writeFile(fleet.host(name).agent.iniFile, `${texts.get(name)!}${more}`);
    const extra = (numprocesses: number): string =>
      `\n[watcher:extra]\ncmd = sleep 1000\nnumprocesses = ${numprocesses}\n`;
    const extras = async (): Promise<number[]> =>
      await Promise.all(
        fleet.hosts.map(async ({ agent }) => {
          const reply = (await agent.call("numprocesses", { name: "extra" })) as unknown as { numprocesses: number };
          return reply.numprocesses;
        }),
      );
    try {
      for (const name of NAMES) await write(name, extra(1));
      const rolled = await fleet.ctl("--all reloadconfig --soak 100ms");
      expect(rolled).toMatchObject({ code: 0, stderr: "" });
      expect(rolled.stdout).toMatch(/^rollout \S+: reloadconfig on 3 hosts in 3 waves; /);
      expect(await extras()).toEqual([1, 1, 1]);
      const isWell = ({ watchers }: HostStatus): boolean =>
        watchers.every(({ healthy, numprocesses }) => healthy === numprocesses);
      // Whoever is not healthy yet would be first in the order.
      await waitFor(async () => [...(await status()).values()].every(isWell), {
        what: "the new ones",
        deadlineMs: 30_000,
      });

      for (const name of NAMES) await write(name, extra(2));
      await write("web2", extra(2).replace("= 2", "= many"));
      const lines = (await readFile(fleet.host("web2").agent.iniFile, "utf8")).trimEnd().split("\n").length;
      const where = new RegExp(`circus\\.ini:${lines}: `);
      const stopped = await fleet.ctl("--all reloadconfig --soak 100ms");
      expect(stopped.code).toBe(4);
      expect(stopped.stderr).toMatch(/^failed: web2 \(refused: .*\)\nuntouched: web3$/m);
      expect(stopped.stderr).toMatch(where);
      expect(await extras()).toEqual([2, 1, 1]);

      const atOnce = await fleet.ctl("--all reloadconfig --at-once");
      expect(atOnce.code).toBe(4);
      expect(atOnce.stdout.split("\n").sort().slice(1)).toEqual([
        "web1: done",
        expect.stringMatching(where) as string,
        "web3: done",
      ]);
      expect(await extras()).toEqual([2, 1, 2]);
    } finally {
      for (const name of NAMES) await write(name, "");
      await fleet.ctl("--all reloadconfig --at-once");
    }
    await whole();
  });
});

describe("a controller that is killed", () => {
  it("has every event once when it is back, also of the time without it", async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        fleet.hosts.map(async ({ agent }) => {
          await agent.call("restart", { name: "myworker", waiting: true }, 30_000);
          const { pids } = (await agent.call("list", { name: "myworker" })) as unknown as { pids: number[] };
          process.kill(pids[0]!, "SIGKILL");
        }),
      );
      if (round === 0) await fleet.killController();
      if (round === 1) await fleet.startController();
      if (round === 2) await fleet.killController();
    }
    await fleet.startController();
    await whole();
    for (const { name, agent } of fleet.hosts) {
      const { snapshot } = (await agent.call("snapshot")) as unknown as { snapshot: { epoch: number; seq: number } };
      const { epoch, seq } = snapshot;
      expect(seq).toBeGreaterThan(20);
      const seqs = await waitFor(
        () => {
          const stored = storedEvents(fleet.controllerState()).seqs(name, epoch);
          return stored.length >= seq && stored;
        },
        { what: `${seq} events of ${name}`, everyMs: 50 },
      );
      expect(seqs.slice(0, seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1));
    }
    const { total, distinct } = storedEvents(fleet.controllerState());
    expect(distinct).toBe(total);
  });
});

describe("what is wrong", () => {
  it("an unknown host or watcher, credentials of another: one line, and nothing is done", async () => {
    const before = await whole();
    expect(await fleet.ctl("--host web9 restart myworker --at-once")).toMatchObject({
      code: 4,
      stdout: "web9: not delivered: no agent is connected under this name\n",
    });
    expect(await fleet.ctl("--all restart nope")).toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringMatching(/^error: .*nope.*\n$/) as string,
    });
    const viewer = { CIRCUSCTL_CREDS: fleet.credentials("viewer-eve") };
    const refused = await fleet.ctl("--all restart myworker", viewer);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toMatch(/^error: viewer eve may not do that .*\n$/);
    expect((await fleet.ctl("--all status", viewer)).code).toBe(0);
    expect(await whole()).toEqual(before);
  });

  it("hosts: all three online, with their age", async () => {
    const { hosts } = await fleet.json<FleetAnswers["hosts"]>("hosts");
    expect(hosts.map(({ host, presence }) => ({ host, presence }))).toEqual(
      NAMES.map((host) => ({ host, presence: "online" })),
    );
    for (const { ageMs } of hosts) expect(ageMs).toBeLessThan(10_000);
  });
});
