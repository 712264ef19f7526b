/** `npm run endurance`: 24 hours in small, and hostile messages by the hundred thousand. Fails where something is left. */
import { startAgent } from "../support/agent.ts";
import { churn, leftovers } from "../support/churn.ts";
import { fuzz } from "../support/fuzz.ts";

const SPAWNS = Number(process.env["ENDURANCE_SPAWNS"] ?? 20_000);
/** Half of them show how much it needs. */
const RESTS = 20;
const MESSAGES = Number(process.env["ENDURANCE_MESSAGES"] ?? 200_000);
const seed = Number(process.env["ENDURANCE_SEED"] ?? Date.now() % 1_000_000);

console.log(`seed ${seed}`);
const { spawns, commands, rests } = await churn(SPAWNS, seed, RESTS);
console.log(`${spawns} spawns, ${commands} commands; at rest ${RESTS} times on the way, the last one at the end:`);
console.table(rests);
for (const problem of leftovers(rests)) {
  console.error(`left at the end: ${problem}`);
  process.exitCode = 1;
}

await using agent = await startAgent({
  sections: { "watcher:w": { cmd: "sleep 1000" } },
  args: ["--log-level", "error"],
});
const begun = performance.now();
const { sent, answered, ignored } = await fuzz(agent, MESSAGES, seed);
const rate = (sent / (performance.now() - begun)) * 1000;
console.log(`${sent} hostile messages: ${answered} answered, ${ignored} ignored, ${rate.toFixed(0)}/s; still serves`);
