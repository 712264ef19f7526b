/** `circusctl --ssh` through a real sshd on loopback that runs as an ordinary user, with keys and ports of its own. */
import { chmod, chown } from "node:fs/promises";
import { userInfo } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { findProgram, type Program, run, startProgram } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const NOBODY = 65_534;
let dir: TempDir;
let agent: Agent;
let sshd: Program;
let port: number;
let user: string;

beforeAll(async () => {
  dir = await tempDir("ssh-");
  await chmod(dir.path, 0o711);
  port = await freePort();
  for (const name of ["host", "key", "other"]) {
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", dir.file(name)]);
  }
  await dir.write("authorized", (await run("cat", [dir.file("key.pub")])).stdout);
  const conf = await dir.write(
    "sshd_config",
    [
      `ListenAddress 127.0.0.1\nPort ${port}\nHostKey ${dir.file("host")}\nAuthorizedKeysFile ${dir.file("authorized")}`,
      // A locked account may be used through PAM only.
      "StrictModes no\nUsePAM yes\nPidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
    ].join("\n"),
  );
  const program = findProgram("sshd") ?? "sshd";
  const isRoot = userInfo().uid === 0;
  user = isRoot ? "nobody" : userInfo().username;
  if (isRoot) await chown(dir.file("host"), NOBODY, NOBODY);
  const command = isRoot ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", program] : [program];
  sshd = await startProgram(command[0] ?? "", [...command.slice(1), "-D", "-e", "-f", conf]);
  await sshd.waitForLine(/Server listening/);
  // The system's ssh, but with no file of whoever runs the tests.
  const known = `[127.0.0.1]:${port} ${(await run("cat", [dir.file("host.pub")])).stdout}`;
  await dir.write("known_hosts", known);
  await dir.write("ssh_config", `UserKnownHostsFile ${dir.file("known_hosts")}\nGlobalKnownHostsFile none\n`);
  const real = findProgram("ssh") ?? "ssh";
  await dir.write(
    "bin/ssh",
    `#!/bin/sh\necho $$ >> ${dir.file("pids")}\nexec ${real} -F ${dir.file("ssh_config")} "$@"\n`,
    0o755,
  );
  agent = await startAgent({ sections: { "watcher:far": { cmd: "sleep 1000" } } });
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await sshd.stop();
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});

function ctl(args: readonly string[], more: Record<string, string> = {}) {
  const circusctl = findProgram("circusctl") ?? "circusctl";
  const path = [dir.file("bin"), process.env["PATH"] ?? ""].join(":");
  const env = { PATH: path, TMPDIR: dir.path, CIRCUSCTL_ENDPOINT: agent.endpoint, ...more };
  return run(circusctl, args, { env });
}
const key = () => ["--ssh_keyfile", dir.file("key")];
const server = () => `${user}@127.0.0.1:${port}`;

async function nothingIsLeft(): Promise<void> {
  const { stdout } = await run("sh", [
    "-c",
    `for pid in $(cat ${dir.file("pids")}); do kill -0 $pid 2>/dev/null && echo $pid; done; ls -d ${dir.path}/circusctl-* 2>/dev/null; true`,
  ]);
  expect(stdout).toBe("");
}

describe("--ssh", () => {
  it("reaches the agent as the far host sees it, and leaves neither ssh nor a file behind", async () => {
    expect(await ctl(["--ssh", server(), ...key(), "status"])).toMatchObject({
      code: 0,
      stdout: "far: active\n",
      stderr: "",
    });
    expect(await ctl(["--ssh", server(), ...key(), "--json", "stop", "nope"])).toMatchObject({ code: 0 });
    expect(await ctl(["--ssh", server(), ...key(), "stop", "nope"])).toMatchObject({
      code: 3,
      stderr: "error: program nope not found\n",
    });
    await waitFor(async () => nothingIsLeft().then(() => true), { what: "ssh to be gone" });
  });

  it("carries `listen`, until Ctrl-C", async () => {
    const path = [dir.file("bin"), process.env["PATH"] ?? ""].join(":");
    const args = ["--ssh", server(), ...key(), "--endpoint", agent.pubsubEndpoint, "listen", "watcher.far.", "--json"];
    await using program = await startProgram(findProgram("circusctl") ?? "", args, {
      env: { PATH: path, TMPDIR: dir.path },
    });
    const events = setInterval(() => void agent.call("signal", { name: "far", signum: "KILL" }), 300);
    await program.waitForLine(/^\{"topic": "watcher\.far\.spawn", "payload": \{/, 30_000);
    clearInterval(events);
    program.kill("SIGINT");
    expect(await program.exited).toEqual({ code: 1, signal: null });
    await waitFor(async () => nothingIsLeft().then(() => true), { what: "ssh to be gone" });
  });

  it("says in one line why it cannot: exit 1", async () => {
    const wrongKey = await ctl(["--ssh", server(), "--ssh_keyfile", dir.file("other"), "status"]);
    expect(wrongKey.code).toBe(1);
    expect(wrongKey.stderr).toMatch(/^circusctl: ssh to 127\.0\.0\.1: .*Permission denied \(publickey\)\.\n$/);
    const noFile = await ctl(["--ssh", server(), "--ssh_keyfile", "nope", "status"]);
    expect(noFile).toMatchObject({ code: 1, stderr: "circusctl: --ssh_keyfile nope: no such file\n" });
    const nobody = await ctl(["--ssh", `${user}@127.0.0.1:${await freePort()}`, "status"]);
    expect(nobody.stderr).toMatch(/^circusctl: ssh to 127\.0\.0\.1: .*Connection refused\n$/);
    const odd = await ctl(["--ssh", server(), "status"], { CIRCUSCTL_ENDPOINT: "inproc://x" });
    expect(odd.stderr).toBe('circusctl: --ssh cannot carry "inproc://x": tcp://HOST:PORT is wanted\n');
    expect(await ctl(["--ssh", "-oProxyCommand=x", "status"])).toMatchObject({ code: 2 });
    const noProgram = await ctl(["--ssh", server(), "status"], { PATH: "/nonexistent" }).catch(() => null);
    expect(noProgram?.code ?? 127).not.toBe(0);
  });

  it("names the far side where nobody answers there, with what ssh said", async () => {
    const port = await freePort();
    const args = ["--ssh", server(), ...key(), "--endpoint", `tcp://127.0.0.1:${port}`, "--timeout", "1", "status"];
    const result = await ctl(args);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`No answer from tcp://127.0.0.1:${port} of 127.0.0.1 within 1s.\n`);
    expect(result.stderr).toMatch(/^ssh says: .*Connection refused$/m);
  });
});
