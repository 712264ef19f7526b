/** `circusctl doctor` and `circusctl context` on a real fleet with the broker's real permissions. */
import { chmod, readFile, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { type Result, run } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

let fleet: RealFleet;
beforeAll(async () => {
  fleet = await RealFleet.start(["web1"]);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await assertNoLeaks();
});

interface Doc {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly check: string;
    readonly state: string;
    readonly text: string;
    readonly advice: string | null;
  }[];
}

const states = ({ checks }: Doc, name: string): string[] =>
  checks.filter(({ check }) => check === name).map(({ state, text }) => `${state}: ${text}`);

async function doctor(
  env: Readonly<Record<string, string>> = {},
  line = "--all doctor",
): Promise<{ result: Result; doc: Doc }> {
  const result = await fleet.ctl(`${line} --json`, env);
  return { result, doc: JSON.parse(result.stdout) as Doc };
}

describe("circusctl doctor", () => {
  it("finds nothing wrong with a fleet that is well, for an operator and for a viewer", async () => {
    const { result, doc } = await waitFor(
      async () => {
        const seen = await doctor();
        const isKnown = (check: string, state: string): boolean => states(seen.doc, check).includes(state);
        const isThere = isKnown("hosts", "ok: 1 of 1 online") && isKnown("leader", "ok: ctl1 leads");
        return isThere && states(seen.doc, "lag").length > 0 && seen;
      },
      { what: "the controller to know its host and stream, and to lead", deadlineMs: 30_000, everyMs: 500 },
    );
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(doc.ok).toBe(true);
    expect(states(doc, "credentials")).toEqual(["ok: operator admin of fleet main"]);
    expect(states(doc, "nats")[0]).toMatch(/^ok: .*round trip \d/);
    expect(states(doc, "permissions")).toEqual([
      "ok: what an operator may hear is granted",
      "ok: what only others may hear is refused",
    ]);
    expect(states(doc, "controllers")[0]).toBe("ok: ctl1 answers");
    expect(states(doc, "clock")[0]).toMatch(/^ok: this clock and that of controller ctl1 differ by \d+ms$/);
    expect(states(doc, "stream")[0]).toMatch(/^ok: \d+ events, /);
    expect(states(doc, "disk")[0]).toMatch(/free at .*controller, /);
    const viewer = await doctor({ CIRCUSCTL_CREDS: fleet.credentials("viewer-eve") });
    expect(viewer.result.code).toBe(0);
    const text = await fleet.ctl("--all doctor");
    expect(text.stdout.split("\n")[0]).toMatch(/^ok {7}credentials/);
  });

  it("says what is wrong and what to do: credentials, NATS, controllers, the local agent", async () => {
    const missing = await doctor({ CIRCUSCTL_CREDS: fleet.dir.file("none.creds") });
    expect(missing.result.code).toBe(4);
    expect(states(missing.doc, "credentials")[0]).toMatch(/^wrong: .*no such file/);
    const open = await fleet.dir.write(
      "open.creds",
      await readFile(fleet.credentials("operator-admin"), "utf8"),
      0o644,
    );
    expect(states((await doctor({ CIRCUSCTL_CREDS: open })).doc, "credentials")[0]).toMatch(/chmod 600/);
    await chmod(open, 0o600);
    const unreachable = await doctor({ CIRCUSCTL_NATS: "nats://127.0.0.1:1" });
    expect(unreachable.result.code).toBe(4);
    expect(states(unreachable.doc, "nats")[0]).toMatch(/^wrong: cannot connect/);
    const foreign = await doctor({ CIRCUSCTL_CREDS: fleet.credentials("agent-web1") });
    expect(states(foreign.doc, "credentials").at(-1)).toMatch(/^wrong: .*is not of a person$/);
    const local = await doctor({ CIRCUSCTL_ENDPOINT: "tcp://127.0.0.1:1" }, "--timeout 1 doctor");
    expect(local.result.code).toBe(4);
    expect(states(local.doc, "agent")).toEqual(["wrong: tcp://127.0.0.1:1: no answer"]);
    await fleet.killController();
    try {
      const silent = await doctor();
      expect(silent.result.code).toBe(4);
      expect(states(silent.doc, "controllers")[0]).toMatch(/^wrong: no controller answers/);
    } finally {
      await fleet.startController();
    }
  });

  it("tells a broker without roles from one that enforces them", async () => {
    await using server = await startNatsServer();
    const env = { CIRCUSCTL_NATS: server.url, CIRCUSCTL_CREDS: fleet.credentials("operator-admin") };
    const { stdout } = await run("circusctl", ["--all", "doctor", "--json"], { env });
    const doc = JSON.parse(stdout) as Doc;
    expect(states(doc, "permissions").at(-1)).toMatch(/^wrong: everybody may hear commands/);
  });

  it("looks at the agent of this machine: version, failed watchers, descriptors", async () => {
    await using agent = await startAgent({
      sections: {
        "watcher:well": { cmd: "sleep 600" },
        "watcher:ill": { cmd: "/nonexistent/program" },
      },
    });
    const { result, doc } = await waitFor(
      async () => {
        const env = { CIRCUSCTL_ENDPOINT: agent.endpoint };
        const done = await run("circusctl", ["doctor", "--json"], { env });
        const seen = { result: done, doc: JSON.parse(done.stdout) as Doc };
        return states(seen.doc, "watcher").length > 0 && seen;
      },
      { what: "the failure to be seen", deadlineMs: 30_000, everyMs: 200 },
    );
    expect(result.code).toBe(4);
    expect(states(doc, "agent")[0]).toBe(`ok: answers at ${agent.endpoint}, 2 watchers`);
    expect(states(doc, "agent")[1]).toMatch(/^ok: circusd is version /);
    expect(states(doc, "watcher")[0]).toMatch(/^wrong: ill failed: /);
    expect(states(doc, "ulimit")[0]).toMatch(/^ok: circusd \(pid \d+\) has \d+ of \d+ descriptors$/);
    expect(states(doc, "fleet")[0]).toMatch(/^warning: not looked at/);
  });
});

describe("circusctl context", () => {
  it("remembers fleets by name; options and environment win", async () => {
    const env = { XDG_CONFIG_HOME: fleet.dir.file("config") };
    const plain = { ...env, CIRCUSCTL_NATS: "", CIRCUSCTL_CREDS: "" };
    const file = fleet.dir.file("config", "circusctl", "contexts.json");
    const empty = await fleet.ctl("context list", plain);
    expect(empty).toMatchObject({ code: 0, stdout: "" });
    expect((await fleet.ctl("hosts", plain)).stderr).toMatch(/where is the fleet/);
    const { url } = fleet.server;
    const creds = fleet.credentials("operator-admin");
    expect(await fleet.ctl(`context add prod --nats ${url} --creds ${creds}`, plain)).toMatchObject({
      code: 0,
      stdout: "context prod is used from now on\n",
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await fleet.ctl("hosts", plain)).stdout).toContain("web1");
    await fleet.ctl(`context add eve --nats ${url} --creds ${fleet.credentials("viewer-eve")}`, plain);
    const refused = await fleet.ctl("context add eve --nats nats://b --creds x", plain);
    expect(refused).toMatchObject({
      code: 1,
      stderr: "circusctl: context 'eve' is there already; --replace writes it anew\n",
    });
    expect((await fleet.ctl("context list", plain)).stdout).toMatch(/^ +CONTEXT .*\n +eve .*\n\* +prod /);
    // The one that is named, by option before variable; then the current one.
    const who = async (line: string, more = {}): Promise<string> =>
      states((await doctor({ ...plain, ...more }, line)).doc, "credentials")[0] ?? "";
    expect(await who("--all doctor")).toBe("ok: operator admin of fleet main");
    expect(await who("--all doctor --context eve")).toBe("ok: viewer eve of fleet main");
    expect(await who("--all doctor", { CIRCUSCTL_CONTEXT: "eve" })).toBe("ok: viewer eve of fleet main");
    expect(await who("--all doctor --context prod", { CIRCUSCTL_CONTEXT: "eve" })).toBe(
      "ok: operator admin of fleet main",
    );
    expect(await who("--all doctor --context prod", { CIRCUSCTL_CREDS: fleet.credentials("viewer-eve") })).toBe(
      "ok: viewer eve of fleet main",
    );
    await fleet.ctl("context use eve", plain);
    expect((await fleet.ctl("context show", plain)).stdout).toBe(
      `context eve\n  nats      ${url}\n  creds     ${fleet.credentials("viewer-eve")}\n`,
    );
    expect((await fleet.ctl("hosts --context prd", plain)).stderr).toBe(
      "circusctl: there is no context 'prd'; did you mean 'prod'?\n",
    );
    expect((await fleet.ctl("status --context prod", plain)).stderr).toMatch(/needs --all, --host or --where/);
    expect((await fleet.ctl("context rm eve", plain)).stderr).toMatch(/eve was the current context/);
    expect((await fleet.ctl("context show", plain)).code).toBe(1);
    await fleet.dir.write("config/circusctl/contexts.json", "{no json", 0o600);
    expect((await fleet.ctl("hosts", plain)).stderr).toMatch(/contexts\.json: it is not JSON; mend it or delete it/);
  });
});
