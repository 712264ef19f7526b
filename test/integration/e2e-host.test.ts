/** The main job on one host: the seed example by real circusd and Chaussette, under load. */
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { exampleSections } from "../support/example.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { startLoad } from "../support/load.ts";
import { freePort } from "../support/ports.ts";
import { exampleDir, run } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

async function seed(port: number) {
  const sections = await exampleSections();
  sections["socket:myworker"]!["port"] = String(port);
  return await startAgent({ cwd: exampleDir, sections });
}

it("two workers answer on one socket, none drops a request while `circusctl restart` runs", async () => {
  const port = await freePort();
  await using agent = await seed(port);
  const report = await startLoad({ port, requests: 1000, expect: "Hello, World!\n" }).finished;
  expect(report).toMatchObject({ requests: 1000, failures: [] });
  expect(report.byWorker.size).toBe(2);
  await using load = startLoad({ port, expect: "Hello, World!\n" });
  await waitFor(() => load.byWorker.size === 2, { what: "both workers to answer" });
  const restart = await run("circusctl", ["--endpoint", agent.endpoint, "restart", "myworker"]);
  expect(restart).toMatchObject({ code: 0, stdout: "ok\n", stderr: "" });
  await waitFor(() => load.byWorker.size === 4, { what: "both successors to answer", deadlineMs: 20_000 });
  expect((await load.stop()).failures).toEqual([]);
});

it("a killed worker has a successor within a second", async () => {
  await using agent = await seed(await freePort());
  const pids = async () => (await agent.call("list", { name: "myworker" }))["pids"] as number[];
  const [victim, other] = await waitFor(async () => ((await pids()).length === 2 ? await pids() : null), {
    what: "two workers",
  });
  process.kill(victim!, "SIGKILL");
  const after = await waitFor(
    async () => {
      const now = await pids();
      return now.length === 2 && !now.includes(victim!) ? now : null;
    },
    { what: "the successor", deadlineMs: 1000 },
  );
  expect(after).toContain(other);
});
