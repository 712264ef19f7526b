/**
 * Usage in SQLite: a row for each host and bucket with all its watchers packed, and rows of the whole fleet with some
 * watchers each (`shard`), so that one watcher over all hosts and a week is some hundred small rows.
 */
import type { Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { Names } from "../store/names.ts";
import { prepared } from "../store/prepared.ts";
import { ALL, type Cell, type FleetCell } from "./cell.ts";
import type { Bucket, FleetCells, HostCells } from "./open.ts";
import { type NumberedCell, packCells, packFleet, unpackCells, unpackFleet } from "./packed.ts";

/** Watchers in one row of the fleet. */
const SHARD = 32;
/** The number of {@link ALL}; those of names begin at 1. */
const ALL_ID = 0;

interface Cells {
  readonly cells: Uint8Array;
}

export class UsageStore {
  readonly db: Database;
  readonly #ids: Names<"host" | "watcher">;
  readonly #hosts = new Map<number, string>();
  readonly #watchers = new Map<number, string>([[ALL_ID, ALL]]);

  constructor(db: Database) {
    this.db = db;
    this.#ids = new Names(db, ["host", "watcher"]);
    for (const { id, name } of rowsOf(db, "host")) this.#hosts.set(id, name);
    for (const { id, name } of rowsOf(db, "watcher")) this.#watchers.set(id, name);
  }

  /** Hosts that ever told. */
  get hostCount(): number {
    return this.#hosts.size;
  }

  /** Rows of the fleet a bucket. */
  get shardCount(): number {
    return Math.ceil(this.#watchers.size / SHARD);
  }

  /** Does the work in one transaction. @throws SQLite's error, and nothing is written then */
  atOnce(work: () => void): void {
    try {
      this.db.transaction(work).immediate();
    } catch (error) {
      // Ids that were made in it are gone.
      this.#ids.forget();
      throw error;
    }
  }

  write(tier: number, startMs: Millis, host: string, cells: HostCells): void {
    const packed = packCells([...cells].map(([watcher, cell]) => [this.#idOf(watcher), cell]));
    const sql = "INSERT OR REPLACE INTO host_usage(tier, t, host_id, cells) VALUES(@tier, @t, @host, @cells)";
    prepared(this.db, sql).run({ tier, t: startMs / 1000, host: this.#hostId(host), cells: packed });
  }

  writeFleet(tier: number, startMs: Millis, cells: FleetCells): void {
    const shards = new Map<number, [number, NumberedCell][]>();
    for (const [watcher, cell] of cells) {
      const id = this.#idOf(watcher);
      const shard = Math.floor(id / SHARD);
      const { topCpuHost, topRssHost } = cell;
      const tops = { topCpuHost: this.#hostId(topCpuHost), topRssHost: this.#hostId(topRssHost) };
      const known = shards.get(shard) ?? [];
      shards.set(shard, known);
      known.push([id, { ...cell, ...tops }]);
    }
    const sql = "INSERT OR REPLACE INTO fleet_usage(tier, t, shard, cells) VALUES(@tier, @t, @shard, @cells)";
    for (const [shard, rows] of shards) {
      prepared(this.db, sql).run({ tier, t: startMs / 1000, shard, cells: packFleet(rows) });
    }
  }

  /** Of all hosts. @param watcher null: all, {@link ALL} with them */
  bucket(tier: number, startMs: Millis, watcher: string | null = null): Bucket {
    const only = this.#only(watcher);
    const sql = "SELECT host_id AS id, cells FROM host_usage WHERE tier = @tier AND t = @t";
    const rows = prepared<Cells & { readonly id: number }>(this.db, sql).all({ tier, t: startMs / 1000 });
    return new Map(rows.map(({ id, cells }) => [this.#hosts.get(id) ?? "", this.#cells(cells, only)]));
  }

  /** Null: nothing is known of it in this bucket. */
  host(tier: number, startMs: Millis, host: string, watcher: string | null = null): HostCells | null {
    const id = this.#ids.known("host", host);
    if (id === null) return null;
    const sql = "SELECT cells FROM host_usage WHERE tier = @tier AND t = @t AND host_id = @id";
    const row = prepared<Cells>(this.db, sql).get({ tier, t: startMs / 1000, id });
    return row === undefined ? null : this.#cells(row.cells, this.#only(watcher));
  }

  fleet(tier: number, startMs: Millis, watcher: string | null = null): FleetCells {
    const only = this.#only(watcher);
    const found = new Map<string, FleetCell>();
    const where = only === null ? "" : "AND shard = @shard";
    const sql = `SELECT cells FROM fleet_usage WHERE tier = @tier AND t = @t ${where}`;
    const shard = only === null ? {} : { shard: Math.floor(only / SHARD) };
    for (const { cells } of prepared<Cells>(this.db, sql).all({ tier, t: startMs / 1000, ...shard })) {
      unpackFleet(cells, only, (id, cell) => {
        const topCpuHost = this.#hosts.get(cell.topCpuHost) ?? "";
        const topRssHost = this.#hosts.get(cell.topRssHost) ?? "";
        found.set(this.#watchers.get(id) ?? "", { ...cell, topCpuHost, topRssHost });
      });
    }
    return found;
  }

  /** Beginnings of the buckets that hold something, oldest first. */
  starts(tier: number, fromMs: Millis, untilMs: Millis): readonly Millis[] {
    // Jumps from one bucket to the next: to read all rows of a large fleet for this would take long.
    const sql = "SELECT min(t) AS t FROM host_usage WHERE tier = @tier AND t >= @from AND t < @until";
    const next = prepared<{ t: number | null }>(this.db, sql);
    const found: Millis[] = [];
    for (let from = fromMs / 1000; ; ) {
      const t = next.get({ tier, from, until: untilMs / 1000 })?.t ?? null;
      if (t === null) return found;
      found.push(t * 1000);
      from = t + 1;
    }
  }

  drop(tier: number, startMs: Millis): void {
    for (const table of ["host_usage", "fleet_usage"]) {
      prepared(this.db, `DELETE FROM ${table} WHERE tier = @tier AND t = @t`).run({ tier, t: startMs / 1000 });
    }
  }

  #cells(bytes: Uint8Array, only: number | null): HostCells {
    const cells = new Map<string, Cell>();
    unpackCells(bytes, only, (id, cell) => cells.set(this.#watchers.get(id) ?? "", cell));
    return cells;
  }

  /** A watcher of which nothing is stored has a number that none has. */
  #only(watcher: string | null): number | null {
    if (watcher === null) return null;
    return watcher === ALL ? ALL_ID : (this.#ids.known("watcher", watcher) ?? Number.MAX_SAFE_INTEGER);
  }

  #idOf(watcher: string): number {
    if (watcher === ALL) return ALL_ID;
    const id = this.#ids.id("watcher", watcher);
    this.#watchers.set(id, watcher);
    return id;
  }

  #hostId(host: string): number {
    const id = this.#ids.id("host", host);
    this.#hosts.set(id, host);
    return id;
  }
}

function rowsOf(db: Database, table: "host" | "watcher"): readonly { readonly id: number; readonly name: string }[] {
  return db.prepare<[], { id: number; name: string }>(`SELECT id, name FROM ${table}`).all();
}
