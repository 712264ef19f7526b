/**
 * `npm run chaos`: a fleet on this machine, troubled for CHAOS_MINUTES (10) as CHAOS_SEED says (another each time), and
 * then judged. Exit 1 with the first law that was broken.
 */
import { report } from "./report.ts";
import { chaosRun } from "./run.ts";

const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
const minutes = Number(process.env["CHAOS_MINUTES"] ?? 10);
console.log(`seed ${seed}, ${minutes} minutes`);
const options = { seed, lengthMs: minutes * 60_000, isShort: false, hosts: 5, controllers: 2 };
const outcome = await chaosRun(options, (line) => console.log(line));
console.log(report(options, outcome));
if (outcome.violations.length > 0) process.exitCode = 1;
