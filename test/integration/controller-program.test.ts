/** circus-controller as a program: its arguments, its exits, its place among others, and its rights at the broker. */
import { chmod, stat } from "node:fs/promises";
import { type FleetAnswers, type Identity, type Role, type RolloutRecord, serverConfig } from "@circus-cluster/proto";
import { type Credentials, createSeed, publicKey } from "@circus-cluster/proto/nats";
import { afterAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { run, startProgram } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, FakeAgent, startController, writeIni } from "./controller-fixture.ts";

afterAll(() => assertNoLeaks());

/** Warnings and worse of a controller's log. */
function complaints(log: string): string[] {
  return log
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { level: string; text: string })
    .filter(({ level }) => level !== "info")
    .map(({ text }) => text);
}

describe("circus-controller", () => {
  it("checks settings: 0 where they are usable, else 1 and a line for each mistake", async () => {
    await using dir = await tempDir();
    const good = await writeIni(dir, { url: "nats://127.0.0.1:1" });
    expect(await run(CONTROLLER, ["--check", good])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const bad = await dir.write("bad.ini", "[controller]\nnats_url = nats://a\nflet = main\n");
    const stderr = `${bad}:3: unknown key 'flet'; did you mean 'fleet'?\n`;
    expect(await run(CONTROLLER, ["--check", bad])).toMatchObject({ code: 1, stderr });
    expect(await run(CONTROLLER, [bad])).toMatchObject({ code: 1, stderr });
    expect(await run(CONTROLLER, ["--chekc", bad])).toMatchObject({ code: 2 });
    expect(await run(CONTROLLER, ["--help"])).toMatchObject({ code: 0, stderr: "" });
  });

  it("says once that NATS is not there, keeps trying, and leaves when asked to", async () => {
    await using dir = await tempDir();
    const port = await freePort();
    await using program = await startProgram(CONTROLLER, [await writeIni(dir, { url: `nats://127.0.0.1:${port}` })]);
    await program.waitForLine(/connection refused/);
    await using server = await startNatsServer({ port });
    await program.waitForLine(/reading events/);
    expect(complaints(program.stderr)).toEqual(["the fleet is unreachable; trying again"]);
    expect(await program.stop()).toEqual({ code: 0, signal: null });
    expect(server.isRunning).toBe(true);
  });

  it("leaves at once while it still looks for NATS", async () => {
    await using dir = await tempDir();
    await using program = await startProgram(CONTROLLER, [await writeIni(dir, { url: "nats://127.0.0.1:1" })]);
    await program.waitForLine(/unreachable/);
    expect(await program.stop(2000)).toEqual({ code: 0, signal: null });
  });

  it("shares its state directory with nobody", async () => {
    await using dir = await tempDir();
    await using server = await startNatsServer();
    const ini = await writeIni(dir, server);
    await using _first = await startController(ini);
    expect((await stat(dir.file("state"))).mode & 0o777).toBe(0o700);
    expect((await stat(dir.file("state", "events.db"))).mode & 0o777).toBe(0o600);
    const line = (words: string): string => `circus-controller: state directory ${dir.file("state")} ${words}\n`;
    expect(await run(CONTROLLER, [ini])).toMatchObject({ code: 1, stderr: line("is in use by another controller") });
    await chmod(dir.file("state"), 0o755);
    expect(await run(CONTROLLER, [ini])).toMatchObject({
      code: 1,
      stderr: line("is open to others (mode 755); chmod 700 it"),
    });
  });

  it("does its work with the rights of its role, and lets a viewer see and not touch", async () => {
    await using dir = await tempDir();
    const identities: Identity[] = [];
    const seeds = new Map<string, string>();
    const make = (role: Role, name: string): Credentials => {
      identities.push({ role, name });
      seeds.set(name, createSeed());
      return { v: 1, fleet: "main", role, name, seed: seeds.get(name)! };
    };
    const [ctl1, web1, alice, victor] = [
      make("controller", "ctl1"),
      make("agent", "web1"),
      make("operator", "alice"),
      make("viewer", "victor"),
    ];
    const listen = `127.0.0.1:${await freePort()}`;
    const lock = createSeed();
    const users = identities.map((identity) => ({ identity, publicKey: publicKey(seeds.get(identity.name)!) }));
    const lockKeys = [{ name: "ctl1", publicKey: publicKey(lock) }];
    const config = serverConfig({ fleet: "main", listen, storeDir: dir.file("js"), users, lockKeys, streamMiB: 64 });
    await using server = await startNatsServer({ config: await dir.write("nats.conf", config) });
    await dir.write("ctl1.creds", JSON.stringify({ ...ctl1, lock }), 0o600);
    await using controller = await startController(await writeIni(dir, server, "credentials = ctl1.creds\n"));
    await using agent = await FakeAgent.start(server, "web1", { credentials: web1 });
    await agent.run();
    await controller.waitForLine(/"this controller leads"/);
    await using operator = await Asker.connect(server, "alice", alice);
    await using viewer = await Asker.connect(server, "victor", victor);
    await waitFor(
      async () => {
        const { hosts } = await viewer.ask<FleetAnswers["status"]>("q", "status", { hosts: null, watcher: null });
        return hosts[0]?.presence === "online" && hosts[0].watchers[0]?.healthy === 2;
      },
      { what: "web1 to be seen by the viewer" },
    );
    const request = { command: "restart", watcher: "web", hosts: null, options: { soakMs: 100 } };
    await expect(viewer.raw("ctl", "rollout-start", request)).rejects.toThrow("timeout");
    const { id } = await operator.ask<RolloutRecord>("ctl", "rollout-start", request);
    const show = (): Promise<RolloutRecord> => viewer.ask<RolloutRecord>("q", "rollout-show", { id });
    await waitFor(async () => (await show()).state === "done", { what: "the rollout to be done" });
    expect(agent.begun).toEqual([`${id}/web1/1`]);
    expect(complaints(controller.stderr)).toEqual([]);
  });
});
