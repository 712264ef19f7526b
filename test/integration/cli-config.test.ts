/**
 * `circusctl config …` on a real fleet: nats-server, a controller, three agents whose files differ in `[fleet]` and in what
 * they include. The tests follow each other on one fleet.
 */
import { createHash } from "node:crypto";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FleetAnswers, RolloutRecord } from "@circus-cluster/proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import type { Result } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

const NAMES = ["web1", "web2", "web3"];
const SECRET = "hunter2-of-the-database";
const QUICK = "--batch 1 --soak 200ms --yes";

let fleet: RealFleet;

/** What is pushed: endpoints are each host's own matter here, and so in a file that all of these include. */
function text(watcher: string, more = ""): string {
  return `[circus]\ninclude = local.ini\n\n[watcher:web]\n${watcher}\nready.min_uptime = 100ms\n${more}`;
}
const FIRST = text("cmd = sleep 2000", `\n[env:web]\nPASSWORD = ${SECRET}\n`);
const SECOND = text("cmd = sleep 3000", "\n[watcher:more]\ncmd = ./more.sh\nready.min_uptime = 100ms\n");

const hashOf = (file: string): string => createHash("sha256").update(file).digest("hex");
const iniOf = (name: string): string => fleet.host(name).agent.iniFile;
const files = (): Promise<string[]> => Promise.all(NAMES.map((name) => readFile(iniOf(name), "utf8")));

async function config(line: string, file: string | null = null, env: Record<string, string> = {}): Promise<Result> {
  if (file === null) return await fleet.ctl(line, env);
  return await fleet.ctl(line.replace("FILE", await fleet.dir.write("web.ini", file)), env);
}

const local = (name: string): string => join(dirname(iniOf(name)), "local.ini");

/** What `web` is on each host, and whether there is a watcher `more`. */
async function running(): Promise<unknown[]> {
  const one = async ({ agent }: (typeof fleet.hosts)[number]): Promise<unknown> => {
    const [got, list] = await Promise.all([agent.call("get", { name: "web", keys: ["cmd"] }), agent.call("list")]);
    return [got["options"], list["watchers"]];
  };
  return await Promise.all(NAMES.map((name) => one(fleet.host(name))));
}
const all = (cmd: string, ...watchers: string[]): unknown[] => NAMES.map(() => [{ cmd }, watchers]);

const rollouts = async (): Promise<readonly RolloutRecord[]> =>
  (await fleet.json<FleetAnswers["rollout-list"]>("rollout list")).rollouts;

beforeAll(async () => {
  fleet = await RealFleet.start(NAMES, {
    isOnLoopback: true,
    starting: 3,
    sections: { "watcher:web": { cmd: "sleep 1000", "ready.min_uptime": "100ms" } },
  });
  for (const [at, file] of (await files()).entries()) {
    const section = (name: string): string => new RegExp(`^\\[${name}\\]\\n(?:\\S.*\\n)*`, "m").exec(file)?.[0] ?? "";
    expect(section("circus")).toMatch(/^endpoint = /m);
    await writeFile(local(NAMES[at]!), `${section("circus")}${section("socket:myworker")}`);
    await writeFile(iniOf(NAMES[at]!), `${text("cmd = sleep 1000")}\n${section("fleet")}`);
  }
  await waitFor(
    async () => {
      const { hosts } = await fleet.json<FleetAnswers["status"]>("--all status");
      return hosts.length === 3 && hosts.every(({ watchers }) => watchers[0]?.healthy === 1);
    },
    { what: "three whole hosts", deadlineMs: 60_000, everyMs: 100 },
  );
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await assertNoLeaks();
});

/** Everything that a controller or the broker has on disk. */
async function kept(): Promise<string> {
  const dirs = [fleet.controllerState(), fleet.dir.file("fleet")];
  const names = await Promise.all(dirs.map((dir) => readdir(dir, { recursive: true, withFileTypes: true })));
  const paths = names.flat().flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
  return (await Promise.all(paths.map((path) => readFile(path, "latin1")))).join("\n");
}

describe("circusctl config", () => {
  it("is for nobody who may only look: files hold secrets", async () => {
    const eve = { CIRCUSCTL_CREDS: fleet.credentials("viewer-eve") };
    for (const line of ["--all config diff FILE", "--all config show", "--all config push FILE"]) {
      const { code, stdout, stderr } = await config(line, FIRST, eve);
      expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
      expect(stderr).toMatch(/^error: viewer eve may not do that \(publish \S+ is refused\)\n$/);
    }
  });

  it("says of each host what is wrong there, and then changes nothing anywhere", async () => {
    const before = await files();
    const apart = await config("--all config push FILE", FIRST.replace("include = local.ini", "check_delay = 1"));
    expect(apart.stderr).toMatch(
      /^circusctl: web1, web2, web3: it would change who this host is, .* \(endpoint, state_dir\); see --allow-identity$/m,
    );
    const well = await readFile(local("web2"), "utf8");
    await writeFile(local("web2"), `${well}[watcher:odd]\ncmd = x\nnumprocesses = many\n`);
    const line = well.split("\n").length + 2;
    const odd = await config("--all config push FILE", FIRST);
    await writeFile(local("web2"), well);
    expect(odd).toMatchObject({ code: 4, stdout: "" });
    expect(odd.stderr).toMatch(new RegExp(`^circusctl: web2: local\\.ini:${line}: .*numprocesses`));
    const bad = await config("--all config diff FILE", `${FIRST}respawn = perhaps\nuid\n`);
    expect(bad.code).toBe(4);
    expect(bad.stderr).toMatch(/^circusctl: web1, web2, web3: circus\.ini:\d+: 'uid' has no '=' or ':'$/m);
    for (const { code, stderr } of [apart, odd]) {
      expect(code).toBe(4);
      expect(stderr).toMatch(/\ncircusctl: nothing was changed on any host\n$/);
    }
    expect(await files()).toEqual(before);
    expect(await rollouts()).toEqual([]);
  });

  it("shows the difference, hosts with the same one together, and rolls it through in waves", async () => {
    await chmod(iniOf("web1"), 0o640);
    const diff = await config("--all config diff FILE", FIRST);
    expect(diff).toMatchObject({ code: 0, stderr: "" });
    expect(diff.stdout).toBe(
      [
        "web1, web2, web3: 4 lines added, 1 removed; new processes: web",
        ...["--- circus.ini", "+++ web.ini", "@@ -2,5 +2,8 @@", " include = local.ini", " ", " [watcher:web]"],
        ...[
          "-cmd = sleep 1000",
          "+cmd = sleep 2000",
          " ready.min_uptime = 100ms",
          "+",
          "+[env:web]",
          `+PASSWORD = ${SECRET}`,
        ],
        "",
      ].join("\n"),
    );
    const plan = await config("--all config push FILE --batch 1,2 --dry-run", FIRST);
    expect(plan.stdout).toMatch(/\nwave 1: web1\nwave 2: web2, web3\n$/);
    expect(await running()).toEqual(all("sleep 1000", "web"));

    const pushed = await config(`--all config push FILE ${QUICK}`, FIRST);
    expect(pushed).toMatchObject({ code: 0, stderr: "" });
    expect(pushed.stdout).toMatch(/wave 3\/3 {2}web3 {2}done\nrollout \S+ done: 3 of 3 hosts in \S+\n$/);
    for (const [at, file] of (await files()).entries()) {
      expect(file.startsWith(`${FIRST}\n[fleet]\n`)).toBe(true);
      expect(file).toContain(`host = ${NAMES[at]!}\n`);
    }
    expect((await stat(iniOf("web1"))).mode & 0o777).toBe(0o640);
    const [first] = await rollouts();
    expect(first).toMatchObject({ command: "config", actor: "admin", state: "done" });
    expect(first?.properties).toEqual({ version: hashOf(FIRST) });
    const again = await config(`--all config push FILE ${QUICK}`, FIRST);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/\nnothing to do: .*\n$/) as string });

    const events = await fleet.json<FleetAnswers["events"]>("events --limit 1000");
    const begun = events.rows.find(({ kind }) => kind === "rollout_started");
    expect(begun).toMatchObject({ actor: "admin", data: { command: "config", version: hashOf(FIRST) } });
    expect(events.rows.filter(({ kind }) => kind === "config_reloaded").map(({ host }) => host)).toEqual(NAMES);
    const disk = await kept();
    expect(disk).toContain(hashOf(FIRST));
    expect(disk).not.toContain(SECRET);
  });

  it("--on-fail rollback: a host that cannot be brought to it keeps its file, those before it get theirs back", async () => {
    const before = await files();
    for (const name of ["web1", "web3"]) {
      const script = join(dirname(fleet.host(name).appFile), "more.sh");
      await writeFile(script, "#!/bin/sh\nexec sleep 4000\n", { mode: 0o755 });
    }
    const failed = await config(`--all config push FILE ${QUICK} --on-fail rollback`, SECOND);
    expect(failed.code).toBe(4);
    expect(failed.stderr).toMatch(/^failed: web2 \(refused: .*more.*; the former file is back\)$/m);
    expect(failed.stderr).toMatch(/^restored: web1 \(rolled back\)$/m);
    expect(failed.stderr).toMatch(/^untouched: web3$/m);
    expect(await files()).toEqual(before);
    expect(await running()).toEqual(all("sleep 2000", "web"));
    const [last] = await rollouts();
    expect(last?.steps.map(({ state }) => state)).toEqual(["restored", "failed", "untouched"]);

    // What was missing is there now; what was staged still is, too.
    const script = await readFile(join(dirname(fleet.host("web1").appFile), "more.sh"), "utf8");
    await writeFile(join(dirname(fleet.host("web2").appFile), "more.sh"), script, { mode: 0o755 });
    const retried = await fleet.ctl(`rollout retry ${last!.id}`);
    expect(retried).toMatchObject({ code: 0, stderr: "" });
    expect(await running()).toEqual(all("sleep 3000", "more", "web"));
  });

  it("does not write over what somebody edited, unless it is told to", async () => {
    const edited = `# by hand\n${await readFile(iniOf("web2"), "utf8")}`;
    await writeFile(iniOf("web2"), edited);
    const refused = await config(`--all config push FILE ${QUICK}`, FIRST);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/^circusctl: web2: it was edited by hand since the push of \w{12}; --force/);
    expect((await fleet.ctl("--all config history")).stderr).toBe("circusctl: edited by hand since: web2\n");
    expect(await readFile(iniOf("web2"), "utf8")).toBe(edited);
    const forced = await config(`--host web2 config push FILE ${QUICK} --force`, FIRST);
    expect(forced).toMatchObject({ code: 0, stderr: "" });
    // And it is kept.
    const { hosts } = await fleet.json<{ hosts: { previous: string }[] }>("--host web2 config show");
    const kept = await fleet.ctl(`--host web2 config show --kept ${hosts[0]!.previous.slice(0, 12)}`);
    expect(kept).toMatchObject({ code: 0, stdout: edited });
  });

  it("rollback goes back from the newest push, or the one named, where it still is; history says who did what", async () => {
    const [newest, push] = await rollouts();
    const back = await fleet.ctl(`--all config rollback ${QUICK}`);
    expect(back).toMatchObject({ code: 0, stderr: "" });
    expect(back.stdout).toContain(
      `back from version ${hashOf(FIRST).slice(0, 12)}, which admin pushed by ${newest!.id}\n`,
    );
    expect(back.stdout).toMatch(/^skipped: web1 \(its configuration is not \w{12}\), web3/m);
    expect((await readFile(iniOf("web2"), "utf8")).startsWith("# by hand\n")).toBe(true);
    await config(`--all config rollback ${push!.id} ${QUICK}`);
    const { items, hosts } = await fleet.json<{
      items: { actor: string; version: string; hosts: string[]; rollout: string }[];
      hosts: { host: string; version: string | null }[];
    }>("--all config history");
    expect(hosts.map(({ version }) => version)).toEqual(NAMES.map((name) => (name === "web2" ? null : hashOf(FIRST))));
    expect(new Set(items.map(({ actor }) => actor))).toEqual(new Set(["admin"]));
    expect(items.at(-1)).toMatchObject({ version: hashOf(FIRST), hosts: NAMES });
    const lines = (await fleet.ctl("--all config history")).stdout.split("\n");
    expect(lines[0]).toMatch(/^WHEN +VERSION +BY +ROLLOUT +HOSTS$/);
    expect(lines[1]).toMatch(new RegExp(`${hashOf(FIRST).slice(0, 12)} +admin +\\S+ +web1, web3$`));
  });
});
