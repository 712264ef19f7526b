/** What a worker of a real circusd may do and take: limits, user, groups. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

/** The one process of a watcher, once it is the program that was asked for. */
async function workerOf(agent: Agent, name: string, program: string): Promise<number> {
  return await waitFor(
    async () => {
      const pid = ((await agent.call("list", { name }))["pids"] as number[])[0];
      return pid !== undefined && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === program && pid;
    },
    { what: `the process of ${name}` },
  );
}

it("limits the resources of processes, in their own place", async () => {
  await using agent = await startAgent({
    sections: {
      "watcher:limited": { cmd: "sleep 1000", rlimit_nofile: 123, rlimit_core: 0, rlimit_CPU: 3600 },
    },
  });
  const pid = await workerOf(agent, "limited", "sleep");
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  expect(limits).toMatch(/^Max open files\s+123\s+123/m);
  expect(limits).toMatch(/^Max core file size\s+0\s+0/m);
  expect(limits).toMatch(/^Max cpu time\s+3600\s+3600/m);
  expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("sleep\0" + "1000\0");
});

it("says why a limit cannot be had, and goes on with the others", async () => {
  await using agent = await startAgent({
    sections: {
      "watcher:greedy": { cmd: "sleep 1000", rlimit_nofile: 2 ** 40, max_retry: 1 },
      "watcher:modest": { cmd: "sleep 1000" },
    },
  });
  await workerOf(agent, "modest", "sleep");
  await waitFor(
    () =>
      /rlimit_nofile: the system permits circusd \d+ at most, not 1099511627776 \(EPERM\)/.test(
        agent.program.stdout + agent.program.stderr,
      ),
    {
      what: "the reason",
    },
  );
  const status = await run("circusctl", ["--endpoint", agent.endpoint, "status"]);
  expect(status.stdout).toBe("greedy: stopped\nmodest: active\n");
});

it("gives a process the groups of its user, or says who may", async () => {
  const numbers = async (option: string) => (await run("id", [option, "nobody"])).stdout.trim().split(" ").sort();
  await using agent = await startAgent({
    cwd: "/",
    sections: { "watcher:humble": { cmd: "sleep 1000", uid: "nobody", rlimit_core: 0, max_retry: 1 } },
  });
  if (process.getuid!() !== 0) {
    const reason = "the system does not permit it as uid";
    await waitFor(() => (agent.program.stdout + agent.program.stderr).includes(reason), { what: "the reason" });
    return;
  }
  const status = readFileSync(`/proc/${await workerOf(agent, "humble", "sleep")}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(status)?.[1]?.split(/\s+/);
  expect(new Set(field("Uid"))).toEqual(new Set(await numbers("-u")));
  expect(new Set(field("Gid"))).toEqual(new Set(await numbers("-g")));
  expect(field("Groups")?.sort()).toEqual(await numbers("-G"));
  expect(field("CapPrm")).toEqual(["0000000000000000"]);
});

it("runs a Python program by its virtual environment", async () => {
  await using dir = await tempDir("circus-virtualenv-");
  const venv = dir.file("venv");
  expect((await run("python3", ["-m", "venv", "--without-pip", venv])).code).toBe(0);
  await dir.write("mine/mine_only.py", "");
  const lib = join(venv, "lib");
  const [version = ""] = readdirSync(lib);
  writeFileSync(join(lib, version, "site-packages/mine.pth"), `${dir.file("mine")}\n`);
  // The PATH's python is the environment's, and even another one finds what its *.pth files name.
  const said = dir.file("said");
  const script = `import sys, time, mine_only; open("${said}", "w").write(sys.prefix); time.sleep(1000)`;
  await dir.write("main.py", script);
  await using agent = await startAgent({
    sections: { "watcher:py": { cmd: `python ${dir.file("main.py")}`, virtualenv: venv, copy_env: true } },
  });
  await waitFor(() => existsSync(said) && readFileSync(said, "utf8") === venv, {
    what: "the program in its environment",
  });
  expect((await agent.call("list", { name: "py" }))["pids"]).toHaveLength(1);
});
