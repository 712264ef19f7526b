/** The agent over many spawns and many hostile messages; `npm run endurance` does 25 times as much and more. */
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { churn, leftovers } from "../support/churn.ts";
import { fuzz } from "../support/fuzz.ts";
import { assertNoLeaks } from "../support/leaks.ts";

afterAll(() => assertNoLeaks());

it("800 spawns and exits with commands in between leave nothing behind", async () => {
  const { spawns, warm, end } = await churn(800, 1);
  expect(spawns).toBeGreaterThanOrEqual(800);
  // Two hundred spawns are no warm-up for memory: `npm run endurance` measures that.
  expect(leftovers({ warm, end: { ...end, rssMiB: warm.rssMiB } })).toEqual([]);
  expect(end.rssMiB - warm.rssMiB).toBeLessThan(40);
}, 300_000);

it("`leftovers()` names what grew, and forgives what memory does by itself", () => {
  const rest = { fds: 30, rssMiB: 100, zombies: 0, children: 0 };
  expect(leftovers({ warm: rest, end: { ...rest, rssMiB: 123, fds: 29 } })).toEqual([]);
  expect(leftovers({ warm: rest, end: { fds: 31, rssMiB: 125, zombies: 1, children: 2 } })).toEqual([
    "31 descriptors, 30 after the warm-up",
    "1 zombies",
    "2 processes",
    "125 MiB resident, 100 after the warm-up",
  ]);
});

it("20,000 hostile messages are answered or ignored as they should be, and the agent still serves", async () => {
  await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000" } } });
  const result = await fuzz(agent, 20_000, 1);
  expect(result.answered + result.ignored).toBe(20_000);
  expect(agent.program.stdout + agent.program.stderr).not.toMatch(/internal error|critical/i);
});
