/**
 * `load.ts` as a program, for a load inside a network namespace: options as JSON in argv, the report as JSON on stdout,
 * and a line of JSON per request in the file that a second argument names.
 */
import { createWriteStream } from "node:fs";
import { type LoadOptions, type LoadRequest, startLoad } from "./load.ts";

const [, , options = "{}", file] = process.argv;
const written = file === undefined ? null : createWriteStream(file);
const record = (request: LoadRequest): void => void written?.write(`${JSON.stringify(request)}\n`);
const load = startLoad(JSON.parse(options) as LoadOptions, record);
process.once("SIGTERM", () => void load.stop());
console.error("loading");
const { byWorker, ...report } = await load.finished;
written?.end();
console.log(JSON.stringify({ ...report, byWorker: [...byWorker] }));
