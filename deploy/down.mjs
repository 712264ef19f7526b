// `npm run down`: ends what `npm run up` started, and nothing else. What it stored (.up/) stays for the next time.
import { upDir } from "./lib/paths.mjs";
import { forgetRecord, isAlive, readRecord, stopAll } from "./lib/processes.mjs";

const record = readRecord();
let ended = 0;
await stopAll(record?.processes.filter(isAlive) ?? [], (text) => {
  ended += 1;
  console.log(text);
});
forgetRecord();
console.log(ended === 0 ? "nothing is up" : `down. History and keys stay in ${upDir}; delete it to begin anew.`);
