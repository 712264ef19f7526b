import type { Database } from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IngestProgress } from "./ingest/consumer.ts";
import { ReadinessCheck } from "./readiness.ts";
import { readMeta } from "./store/database.ts";
import { EVENTS_MIGRATIONS, migrate } from "./store/migrations.ts";
import { openSqlite } from "./store/sqlite.ts";

let db: Database;
beforeEach(() => {
  db = openSqlite(":memory:");
  migrate(db, EVENTS_MIGRATIONS);
});
afterEach(() => db.close());

function check(over: { isConnected?: boolean; progress?: Partial<IngestProgress>; now?: () => number } = {}) {
  const progress = { isReading: true, pending: 0, lagMs: 0, ...over.progress };
  const { isConnected = true, now = () => 0 } = over;
  return new ReadinessCheck({ isConnected: () => isConnected, progress: () => progress, db, now });
}

describe("ReadinessCheck", () => {
  it("is ready where it is connected, has caught up and can write", () => {
    expect(check({ progress: { lagMs: 10_000, pending: 3 }, now: () => 77 }).look()).toEqual({
      ready: true,
      reasons: [],
    });
    expect(readMeta(db, "probed")).toBe(77);
  });

  it.each([
    [{ isConnected: false }, ["not connected to NATS"]],
    [{ progress: { isReading: false } }, ["the event stream is not being read"]],
    [{ progress: { lagMs: null } }, ["the event stream has not been read up to its end yet"]],
    [{ progress: { lagMs: 12_400 } }, ["events are stored 12 s late"]],
    [
      { isConnected: false, progress: { isReading: false } },
      ["not connected to NATS", "the event stream is not being read"],
    ],
  ])("says why not: %j", (over, reasons) => {
    expect(check(over).look()).toEqual({ ready: false, reasons });
  });

  it("tries the database now and then, however often it is asked", () => {
    let now = 1_000_000;
    const readiness = check({ now: () => now });
    expect(readiness.look().ready).toBe(true);
    db.pragma("query_only = ON");
    expect(readiness.look().ready).toBe(true);
    now += 2000;
    expect(readiness.look().reasons).toEqual(["the database cannot be written: attempt to write a readonly database"]);
    db.pragma("query_only = OFF");
    now += 2000;
    expect(readiness.look().ready).toBe(true);
  });
});
