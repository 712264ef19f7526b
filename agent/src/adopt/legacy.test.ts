/** What one agent writes down of a watcher, and what the next one makes of it: the journal in between is the real one. */
import { expect, it } from "vitest";
import { changesOf } from "../journal/changes.ts";
import { encodeRecord, type JournalRecord } from "../journal/records.ts";
import { replay } from "../journal/table.ts";
import { NOBODY } from "../watcher/state.ts";
import { TEST_CONFIG, World } from "../watcher/world.fixture.ts";
import { legacyOf } from "./legacy.ts";
import { survey } from "./survey.ts";

it("a job that ended well stays done, and healthy for those that depend on it", async () => {
  const config = { ...TEST_CONFIG, numprocesses: 1, respawn: false };
  const head: JournalRecord = { t: "journal", v: 1, boot: "b", whole: 1 };
  const records: JournalRecord[] = [
    head,
    { t: "watcher", watcher: config.name, written: config, config: null, isAdded: false },
  ];
  const before = await new World(config, {
    stateTurned: (was, is) => void records.push(...changesOf(was, is, 0)),
  }).started();
  before.die(101, { code: 0, signal: null });
  expect(before.turns.at(-1)).toBe(true);

  const { table, garbage } = replay(records.map(encodeRecord).join(""));
  expect(garbage).toEqual([]);
  const [finding] = survey(table, new Map(), new Map());
  const after = new World(config);
  const now = { nowMs: 0, wallMs: 0, zeroMs: 0, chance: () => 0 };
  if (finding !== undefined) after.watcher.adopt(legacyOf(finding, now), []);
  expect([after.turns.at(-1), after.spawnAttempts]).toEqual([true, 0]);
  after.ask((w) => w.start(NOBODY));
  expect([after.turns.at(-1), after.spawnAttempts]).toEqual([false, 1]);
});
