/** The agent over many spawns and many hostile messages; `npm run endurance` does 25 times as much and more. */
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { churn } from "../support/churn.ts";
import { fuzz } from "../support/fuzz.ts";
import { assertNoLeaks } from "../support/leaks.ts";

afterAll(() => assertNoLeaks());

it("800 spawns and exits with commands in between leave nothing behind", async () => {
  const { spawns, warm, end } = await churn(800, 1);
  expect(spawns).toBeGreaterThanOrEqual(800);
  expect(end).toMatchObject({ zombies: 0, children: 0 });
  expect(end.fds).toBeLessThanOrEqual(warm.fds);
  expect(end.rssMiB - warm.rssMiB).toBeLessThan(40);
}, 300_000);

it("20,000 hostile messages are answered or ignored as they should be, and the agent still serves", async () => {
  await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000" } } });
  const result = await fuzz(agent, 20_000, 1);
  expect(result.answered + result.ignored).toBe(20_000);
  expect(agent.program.stdout + agent.program.stderr).not.toMatch(/internal error|critical/i);
});
