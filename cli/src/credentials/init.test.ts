import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publicKey, readCredentials } from "@circus-cluster/proto/nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Io } from "../io.ts";
import { settingsOf } from "../settings.ts";
import { init, initPlan, isLoopback } from "./init.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circusctl-init-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fakeIo(): { io: Io; text: () => string } {
  let text = "";
  const io: Io = {
    out: (more) => {
      text += more;
      return true;
    },
    err: (more) => (text += more),
    env: {},
    isInTty: false,
    isOutTty: false,
    isErrTty: false,
    columns: () => 80,
    now: () => 0,
    ask: () => Promise.resolve(null),
    onInterrupt: () => () => undefined,
  };
  return { io, text: () => text };
}

async function start(options: Record<string, string | true>): Promise<{ exit: number; text: string }> {
  const { io, text } = fakeIo();
  const request = { verb: "fleet init", words: [], options };
  return { exit: await init(request, settingsOf(request, {}), io), text: text() };
}

describe("fleet init", () => {
  it("writes credentials of everybody and the configuration that knows them, for their owner only", async () => {
    const to = join(dir, "fleet");
    const { exit, text } = await start({
      dir: to,
      hosts: "web1,web2",
      viewers: "eve",
      listen: "127.0.0.1:4333",
      "no-tls": true,
    });
    expect(exit).toBe(0);
    const names = readdirSync(join(to, "creds")).sort();
    expect(names).toEqual([
      "agent-web1.creds",
      "agent-web2.creds",
      "controller-ctl1.creds",
      "controller.creds",
      "operator-admin.creds",
      "viewer-eve.creds",
    ]);
    expect(statSync(to).mode & 0o777).toBe(0o700);
    expect(statSync(join(to, "creds")).mode & 0o777).toBe(0o700);
    const config = readFileSync(join(to, "nats-server.conf"), "utf8");
    expect(config).toContain('listen: "127.0.0.1:4333"');
    expect(config).toContain(JSON.stringify(join(to, "jetstream")));
    for (const name of names) {
      const path = join(to, "creds", name);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const { seed, fleet } = readCredentials(path);
      expect(fleet).toBe("main");
      expect(config).toContain(publicKey(seed));
      expect(config).not.toContain(seed);
      expect(text).toContain(path);
    }
    expect(readCredentials(join(to, "creds/agent-web1.creds"))).toMatchObject({ role: "agent", name: "web1" });
    expect(text).toContain(`export CIRCUSCTL_NATS=nats://127.0.0.1:4333`);
  });

  it("never writes over what is there", async () => {
    writeFileSync(join(dir, "nats-server.conf"), "mine");
    await expect(start({ dir, hosts: "web1" })).rejects.toThrow("is there already; nothing was written");
    expect(readdirSync(dir)).toEqual(["nats-server.conf"]);
    expect(readFileSync(join(dir, "nats-server.conf"), "utf8")).toBe("mine");
  });

  it.each<[Record<string, string | true>, string]>([
    [{ hosts: "web1" }, "fleet init: --dir DIR is missing"],
    [{ dir: "x" }, "fleet init: --hosts A,B is missing"],
    [{ dir: "x", hosts: "web1.example" }, '--hosts: "web1.example" is no name'],
    [{ dir: "x", hosts: "a", fleet: "b c" }, '--fleet "b c" is no name'],
    [{ dir: "x", hosts: "admin" }, "admin is given as agent and as operator: names have to differ"],
    [{ dir: "x", hosts: "a", listen: "0.0.0.0:4222", "no-tls": true }, "--no-tls needs --insecure there"],
    [{ dir: "x", hosts: "a", tls: true, insecure: true }, "--tls excludes --no-tls and --insecure"],
    [{ dir: "x", hosts: "a", names: "a b/c" }, "host names and addresses are wanted"],
    [{ dir: "x", hosts: "a", "tls-ca": "ca" }, "--tls-cert, --tls-key and --tls-ca belong together"],
    [{ dir: "x", hosts: "a", "tls-ca": "/no/ca", "tls-cert": "/no/c", "tls-key": "/no/k" }, "/no/ca: no such file"],
    [{ dir: "x", hosts: "a", "no-tls": true, "tls-ca": "ca" }, "--no-tls and --tls-… exclude each other"],
    [{ dir: "x", hosts: "a", all: true }, "fleet init takes no --all"],
    [{ dir: "/proc/x", hosts: "a", listen: "localhost" }, "fleet init: listen"],
  ])("%j is refused", async (options, reason) => {
    await expect(start(options)).rejects.toThrow(reason);
  });

  it("listens beyond loopback with TLS, or when told that it is meant", () => {
    const options = { dir: "x", hosts: "a", listen: "0.0.0.0:4222", insecure: true } as const;
    expect(initPlan({ options }, settingsOf({ options }, {})).tls).toEqual({ kind: "none" });
    const { insecure: _, ...open } = options;
    expect(initPlan({ options: open }, settingsOf({ options: open }, {})).tls).toEqual({ kind: "own" });
  });

  it.each([
    ["127.0.0.1:1", true],
    ["127.9.9.9:1", true],
    ["localhost:1", true],
    ["[::1]:1", true],
    ["0.0.0.0:1", false],
    ["[::]:1", false],
    ["127.0.0.1.example.com:1", false],
    ["10.0.0.1:1", false],
  ])("isLoopback(%s)", (listen, expected) => {
    expect(isLoopback(listen)).toBe(expected);
  });
});
