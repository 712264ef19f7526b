/** `load.ts` as a program, for a load inside a network namespace: options as JSON in argv, the report as JSON on stdout. */
import { type LoadOptions, startLoad } from "./load.ts";

const load = startLoad(JSON.parse(process.argv[2] ?? "{}") as LoadOptions);
process.once("SIGTERM", () => void load.stop());
console.error("loading");
const { byWorker, ...report } = await load.finished;
console.log(JSON.stringify({ ...report, byWorker: [...byWorker] }));
