/** The scripts of deploy/ that need no fleet: set-up and `down`. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { OwnBlocks } from "../docs/taken.ts";
import { assertNoLeaks, processInfo } from "../support/leaks.ts";
import { projectRoot, run, startProgram } from "../support/process.ts";
import { commandsOf } from "../support/sessions.ts";
import { tempDir } from "../support/temp.ts";

afterAll(() => assertNoLeaks());

const script = (name: string): string => `${projectRoot}/deploy/${name}`;

it("README.md names scripts that there are", async () => {
  const own = await OwnBlocks.of("test/integration/deploy.test.ts");
  const lines = own.take("README.md").flatMap(({ text }) => commandsOf(text));
  expect(own.left).toEqual([]);
  const { scripts } = JSON.parse(await readFile(`${projectRoot}/package.json`, "utf8")) as {
    scripts: Readonly<Record<string, string>>;
  };
  const named = lines.map((line) => /^npm (?:run )?(\w+)$/.exec(line)?.[1] ?? line);
  expect(named).toEqual(["up", "test", "down"]);
  for (const name of named) {
    const [, file = ""] = /(deploy\/\S+)/.exec(scripts[name] ?? "") ?? [];
    expect([name, existsSync(`${projectRoot}/${file}`), file]).toEqual([
      name,
      true,
      expect.stringContaining("deploy/"),
    ]);
  }
});

describe("setup.sh", () => {
  it("finds nothing missing where the tests run, says nothing, and is quick", async () => {
    const check = await run("bash", [script("setup.sh"), "--check"]);
    expect(check).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const again = await run("bash", [script("setup.sh")]);
    expect(again).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  it("`--check` lists what is missing, by package, and installs nothing", async () => {
    await using home = await tempDir();
    const env = { CIRCUS_SETUP_ROOTLESS: "1", XDG_CACHE_HOME: home.path };
    const check = await run("bash", [script("setup.sh"), "--check"], { env });
    expect(check.code).toBe(1);
    expect(check.stdout.split("\n")).toEqual(expect.arrayContaining(["nats-server", "python3-zmq", "redis-server"]));
    expect(existsSync(home.file("circus-cluster"))).toBe(false);
  });

  it("refuses an unknown option", async () => {
    const result = await run("bash", [script("setup.sh"), "--chek"]);
    expect(result).toMatchObject({ code: 1, stderr: "setup: unknown option --chek (there are --check and --env)\n" });
  });
});

describe("down", () => {
  const down = (upDir: string) => run(process.execPath, [script("down.mjs")], { env: { CIRCUS_UP_DIR: upDir } });

  it("with nothing up says so and succeeds", async () => {
    await using dir = await tempDir();
    expect(await down(dir.path)).toMatchObject({ code: 0, stdout: "nothing is up\n", stderr: "" });
  });

  it("ends the recorded process, not one that merely has its pid, and what a killed agent left", async () => {
    await using dir = await tempDir();
    await using recorded = await startProgram("sleep", ["60"]);
    await using reused = await startProgram("sleep", ["60"]);
    await using orphan = await startProgram("sleep", ["60"], { env: { CIRCUS_UP_MARK: dir.path } });
    await using others = await startProgram("sleep", ["60"], { env: { CIRCUS_UP_MARK: dir.file("elsewhere") } });
    const boot = (await run("cat", ["/proc/sys/kernel/random/boot_id"])).stdout.trim();
    const start = processInfo(recorded.pid)!.start;
    const processes = [
      { kind: "agent", name: "web1", pid: recorded.pid, start },
      { kind: "agent", name: "web2", pid: reused.pid, start: start - 1000 },
    ];
    await dir.write("run.json", JSON.stringify({ boot, processes }));
    const result = await down(dir.path);
    expect(result.code).toBe(0);
    expect(result.stdout).toContain(`web1 (pid ${recorded.pid}) stopped\n`);
    expect(result.stdout).toContain(`a left worker (pid ${orphan.pid}) stopped\n`);
    expect(await recorded.exited).toEqual({ code: null, signal: "SIGTERM" });
    expect(await orphan.exited).toEqual({ code: null, signal: "SIGTERM" });
    expect([reused.isRunning, others.isRunning]).toEqual([true, true]);
    expect(existsSync(dir.file("run.json"))).toBe(false);
  });
});
