/** What workers write is in their file once, in order, however often circusd is killed while it takes it down. */
import { statSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { chance } from "../support/chance.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { logFiles, numberedLines, readLogs } from "../support/numbered-lines.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const WORKERS = 4;
const deadlineMs = 60_000;
/** `npm test` has few; more may be asked for. */
const KILLS = Number(process.env["CIRCUS_TEST_KILLS"] ?? 4);

/** In blocks that end anywhere in a line, so that there is always something under way. */
const WRITER = `
import os, sys, time
with open(sys.argv[1], "rb") as data:
    while block := data.read(4001):
        os.write(1, block)
        time.sleep(0.004)
while True:
    time.sleep(60)
`;

it("loses no line and repeats none at a kill, also with rotation", { timeout: 600_000 }, async () => {
  await using dir = await tempDir("killed-output-");
  const log = dir.file("out.log");
  const written = await numberedLines(dir.path, WORKERS, 3 + 3 * KILLS);
  const script = await dir.write("writer.py", WRITER);
  await using agent = await startAgent({
    sections: {
      "watcher:writers": {
        ...{ cmd: `${python()} ${script} ${dir.file("data.$(circus.wid)")}`, numprocesses: WORKERS, copy_env: true },
        ...{ "stdout_stream.class": "FileStream", "stdout_stream.filename": log },
        ...{ "stdout_stream.max_bytes": 1_000_000, "stdout_stream.backup_count": 1000 },
      },
    },
  });
  const size = (): number =>
    logFiles(log).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  const dice = chance(1);
  for (let kill = 0; kill < KILLS; kill++) {
    const from = size() + dice.below(200_000);
    await waitFor(() => size() > from, { what: "more of the output", deadlineMs, everyMs: 1 });
    await agent.kill9();
    await agent.restart();
  }
  const total = Object.values(written).reduce((sum, lines) => sum + lines, 0);
  const done = (): boolean => Object.values(readLogs(log)).reduce((sum, lines) => sum + lines, 0) === total;
  await waitFor(done, { what: "all of the output", deadlineMs, everyMs: 200 });
  expect(readLogs(log)).toEqual(written);
  await agent.stop();
});
