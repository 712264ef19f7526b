/** The process that all simulated agents are in: `run.mjs simulate.ts PLAN.json`, ends with SIGTERM. */
import { readFileSync } from "node:fs";
import { SimulatedAgent, type SimulationPlan } from "./simulated-agent.ts";

const CONNECTING_MAX = 25;

const plan = JSON.parse(readFileSync(process.argv[3] ?? "", "utf8")) as SimulationPlan;
const waiting = [...plan.agents];
const agents: SimulatedAgent[] = [];
async function connectSome(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    agents.push(await SimulatedAgent.start(plan, next));
    if (agents.length % 100 === 0) console.log(`${agents.length} connected`);
  }
}
await Promise.all(Array.from({ length: CONNECTING_MAX }, connectSome));
console.log("all connected");
process.once("SIGTERM", () => {
  void Promise.all(agents.map((agent) => agent.stop())).finally(() => process.exit(0));
});
