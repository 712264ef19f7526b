/** What Salt's `circus` execution module makes of circusctl's output (reference §10.1), against our agent. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { run } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

let agent: Agent;

beforeAll(async () => {
  agent = await startAgent({
    sections: { "watcher:web": { cmd: "sleep 1000", numprocesses: 2 }, "watcher:idle": { cmd: "sleep 1001" } },
  });
  await waitFor(async () => (await agent.call("status", { name: "web" }))["status"] === "active", { what: "web" });
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await assertNoLeaks();
});

/** As Salt's `cmd.run`: both streams together, without the last line feed. */
async function cmdRun(line: string): Promise<string> {
  const { stdout, stderr } = await run("circusctl", line.trim().split(" ").slice(1), {
    env: { CIRCUSCTL_ENDPOINT: agent.endpoint },
  });
  return (stdout + stderr).replace(/\n$/, "");
}

const list = async (): Promise<string[]> => (await cmdRun("circusctl list ")).split(",");

/** Each line with a watcher's name in it begins the lines of that watcher. */
async function stats(): Promise<Record<string, string[]>> {
  const names = await list();
  const found: Record<string, string[]> = {};
  let current: string | null = null;
  for (const line of (await cmdRun("circusctl stats")).split("\n")) {
    const name = names.find((one) => line.includes(one));
    if (name !== undefined) found[(current = name)] = [];
    else if (current === null) throw new Error(`no watcher's line: ${line}`);
    else found[current]?.push(line);
  }
  return found;
}

it("`version` is the second word", async () => {
  expect((await cmdRun("circusctl --version")).split(" ")[1]).toMatch(/^\d+\.\d+\.\d+$/);
});

it("`list` splits at commas, without blanks", async () => {
  expect(await list()).toEqual(["idle", "web"]);
  expect((await cmdRun("circusctl list web")).split(",").map(Number)).toEqual(
    (await agent.call("list", { name: "web" }))["pids"],
  );
});

it("`status` has a name and a word on each line, with the blank kept", async () => {
  const pairs = (await cmdRun("circusctl status")).split("\n").map((line) => line.split(":"));
  expect(pairs).toEqual([
    ["idle", " active"],
    ["web", " active"],
  ]);
});

it("`stats` has a line for each watcher before those of its processes", async () => {
  const found = await stats();
  expect(Object.keys(found)).toEqual(["idle", "web"]);
  expect(found["web"]).toHaveLength(2);
  const [pid] = (await agent.call("list", { name: "web" }))["pids"] as number[];
  expect((await cmdRun(`circusctl stats web ${pid ?? 0}`)).split("\n")[0]).toMatch(`${pid ?? 0}: ${pid ?? 0}  sleep `);
  expect(await cmdRun("circusctl dstats")).toMatch(/^Main Process:\n {4}\d+ {2}/);
});

it("`signal` runs start, stop, restart, reload and gets `ok`", async () => {
  for (const verb of ["stop", "start", "restart", "reload"]) expect(await cmdRun(`circusctl ${verb} web`)).toBe("ok");
  expect(await cmdRun("circusctl stop nope")).toBe("error: program nope not found");
  expect(await cmdRun("circusctl quit")).toBe("ok");
  expect(await agent.program.exited).toEqual({ code: 0, signal: null });
});
