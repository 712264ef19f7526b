/** The agent over many spawns and many hostile messages; `npm run endurance` does 25 times as much and more. */
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { churn, leftovers } from "../support/churn.ts";
import { fuzz } from "../support/fuzz.ts";
import { assertNoLeaks } from "../support/leaks.ts";

afterAll(() => assertNoLeaks());

it("600 spawns and exits with commands in between leave nothing behind", async () => {
  const { spawns, rests } = await churn(600, 1, 2);
  expect(spawns).toBeGreaterThanOrEqual(600);
  // Three hundred spawns are no warm-up for memory: `npm run endurance` measures that.
  expect(leftovers(rests.map((rest) => ({ ...rest, rssMiB: 0 })))).toEqual([]);
  expect((rests[1]?.rssMiB ?? 0) - (rests[0]?.rssMiB ?? 0)).toBeLessThan(40);
}, 400_000);

it("`leftovers()` names what grew, and forgives what memory does by itself", () => {
  const rest = { fds: 30, rssMiB: 100, zombies: 0, children: 0, fifos: 0 };
  const more = { ...rest, fds: 31 };
  expect(leftovers([rest, more, { ...more, rssMiB: 150 }, { ...rest, rssMiB: 112 }])).toEqual([]);
  expect(leftovers([rest, rest, more, rest])).toEqual(["31 descriptors, 30 in the first half"]);
  expect(leftovers([rest, { fds: 30, rssMiB: 113, zombies: 1, children: 2, fifos: 3 }])).toEqual([
    ...["1 zombies", "2 children", "3 fifos"],
    "at least 113 MiB resident, 100 in the first half",
  ]);
});

it("20,000 hostile messages are answered or ignored as they should be, and the agent still serves", async () => {
  await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000" } } });
  const result = await fuzz(agent, 20_000, 1);
  expect(result.answered + result.ignored).toBe(20_000);
  expect(agent.program.stdout + agent.program.stderr).not.toMatch(/internal error|critical/i);
});
