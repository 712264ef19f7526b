import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Statement } from "better-sqlite3";
import { expect, it } from "vitest";
import { openSqlite } from "./sqlite.ts";

it("answers pragmas as the package does: rows, one value, or nothing", () => {
  const db = openSqlite(":memory:");
  expect(db.pragma("busy_timeout = 20")).toEqual([{ timeout: 20 }]);
  expect(db.pragma("busy_timeout", { simple: true })).toBe(20);
  expect(db.pragma("user_version = 7")).toEqual([]);
  expect(db.pragma("user_version", { simple: true })).toBe(7);
  expect(db.pragma("foreign_key_list(none_such)", { simple: true })).toBeUndefined();
  db.close();
  expect(() => db.pragma("user_version")).toThrow(/not open/);
});

it("nothing that it made is collected, closed or not: Node 24.19 may end the process for that", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const made: WeakRef<object>[] = [];
  const others: WeakRef<object>[] = [];
  for (let round = 0; round < 50; round++) {
    const db = openSqlite(":memory:");
    const statement: Statement = db.prepare("SELECT 1");
    made.push(new WeakRef(db), new WeakRef(statement));
    others.push(new WeakRef({ round }));
    db.close();
  }
  // What was made in this turn is held until its end.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect(others.filter((ref) => ref.deref() !== undefined)).toEqual([]);
  expect(made.filter((ref) => ref.deref() === undefined)).toEqual([]);
});
