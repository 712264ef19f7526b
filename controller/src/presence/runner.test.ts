import type { EventDraft, HostName } from "@circus-cluster/proto";
import { makeLogger } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openDatabase } from "../store/database.ts";
import { EVENTS_MIGRATIONS } from "../store/migrations.ts";
import { PRESENCE_TIMINGS } from "./core.ts";
import { PresenceRunner } from "./runner.ts";

const WEB = "web1" as HostName;
const TICK_MS = 1000;
let db: Database;
beforeEach(() => {
  vi.useFakeTimers();
  db = openDatabase(":memory:", EVENTS_MIGRATIONS, "NORMAL");
});
afterEach(() => {
  db.close();
  vi.useRealTimers();
});

it("a controller that was stopped for a minute calls nobody lost before it has listened again", async () => {
  const told: EventDraft[] = [];
  using runner = new PresenceRunner({
    ...{ db, timings: PRESENCE_TIMINGS, tickMs: TICK_MS, log: makeLogger(() => undefined) },
    emit: (draft) => told.push(draft) > 0,
    lastSeq: () => 0,
    ...{ onBeat: () => undefined, onChange: () => undefined },
  });
  const shown = (): string | undefined => runner.view(WEB)?.presence;
  const beat = (): void =>
    runner.beat(WEB, { v: 1, epoch: 1, seq: 1, time: Date.now(), interval: 5000, version: "0", load: 0, backlog: 0 });
  const kinds = (): string[] => told.map(({ kind }) => kind);
  /** As SIGSTOP and SIGCONT: the clocks go on, the timers are due all at once. */
  const standStill = (ms: number): void => {
    const now = performance.now.bind(performance);
    const before = now();
    vi.setSystemTime(Date.now() + ms);
    vi.spyOn(performance, "now").mockImplementation(() => now() + ms);
    expect(performance.now() - before).toBe(ms);
  };
  runner.listening(true);
  beat();
  expect([shown(), kinds()]).toEqual(["online", ["host_online"]]);
  standStill(60_000);
  await vi.advanceTimersByTimeAsync(TICK_MS);
  expect([shown(), kinds()]).toEqual(["unknown", ["host_online"]]);
  beat();
  expect([shown(), kinds()]).toEqual(["online", ["host_online"]]);
  await vi.advanceTimersByTimeAsync(25 * TICK_MS);
  expect([shown(), kinds()]).toEqual(["unknown", ["host_online", "host_late"]]);
  await vi.advanceTimersByTimeAsync(10 * TICK_MS);
  expect([shown(), kinds()]).toEqual(["lost", ["host_online", "host_late", "host_lost"]]);
  vi.restoreAllMocks();
});
