/**
 * `npm run bench -- ingest history`: events from the stream into the database by a real controller, the same rows by
 * its own writer and by nothing but SQLite; then questions about the past. BENCH_EVENTS says of how many events:
 * 200,000 by default, of which the stream gets at most a million; BENCH_HISTORY with how many there are to be asked
 * about, the same number by default; BENCH_HISTORY_HOSTS of how many hosts.
 */
import { statSync } from "node:fs";
import {
  type EventsQuery,
  type FleetEvent,
  type HostName,
  messageId,
  Subjects,
  type UptimeQuery,
} from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import type { RawMessage } from "../../controller/src/ingest/decode.ts";
import { Writer } from "../../controller/src/ingest/writer.ts";
import { openStores, type Stores } from "../../controller/src/store/database.ts";
import { events } from "../../controller/src/store/queries/events.ts";
import { historyAt } from "../../controller/src/store/queries/history-at.ts";
import { uptime } from "../../controller/src/store/queries/uptime.ts";
import { openSqlite } from "../../controller/src/store/sqlite.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { readByController } from "./fleet/stream.ts";
import { ms, quantile, ratio, table } from "./measure.ts";

const EVENTS = Number(process.env["BENCH_EVENTS"] ?? 200_000);
const HISTORY = Number(process.env["BENCH_HISTORY"] ?? EVENTS);
const STREAM_MAX = 1_000_000;
const HOSTS = Number(process.env["BENCH_HISTORY_HOSTS"] ?? 100);
const WATCHERS = 20;
const DAYS = 30;
const DAY_MS = 86_400_000;
/** As the controller reads when it is behind. */
const BATCH = 1000;
const QUESTIONS = 300;
const subjects = new Subjects("main");

/** What a process that dies and comes back says: six events. */
const LIFE: readonly (readonly [string, FleetEvent["data"]])[] = [
  ["process_exited", { code: 1, expected: false, uptime: 12_345 }],
  ["watcher_failed", { reason: "ended with code 1" }],
  ["watcher_starting", { generation: 1 }],
  ["process_spawned", { generation: 1 }],
  ["watcher_started", { generation: 1 }],
  ["process_healthy", {}],
];

interface MadeEvent {
  readonly subject: string;
  readonly event: FleetEvent;
  readonly msgId: string;
}

/** Odd, and no divisor of the number of watchers: deaths are scattered over the fleet. */
const STRIDE = 7919;
const LIFE_STEP_MS = 40;

/** The deaths and restarts of a fleet over a month, one behind the other; the same at every call. */
function* madeEvents(count: number, startMs: number): Generator<MadeEvent> {
  const seqs = new Array<number>(HOSTS).fill(0);
  const stepMs = (DAYS * DAY_MS * LIFE.length) / count;
  for (let at = 0; at < count; at++) {
    const life = Math.floor(at / LIFE.length);
    const which = (life * STRIDE) % (HOSTS * WATCHERS);
    const hostAt = which % HOSTS;
    const host = `h${hostAt}` as HostName;
    const watcher = `w${Math.floor(which / HOSTS)}`;
    const [kind, data] = LIFE[at % LIFE.length] ?? ["watcher_started", {}];
    const seq = (seqs[hostAt] ?? 0) + 1;
    seqs[hostAt] = seq;
    const time = Math.floor(startMs + life * stepMs + (at % LIFE.length) * LIFE_STEP_MS);
    const event: FleetEvent = { v: 1, epoch: startMs, seq, time, kind, watcher, pid: 1000 + which, wid: 1, data };
    yield { subject: subjects.event(host, watcher, kind), event, msgId: messageId(host, event) };
  }
}

/** In batches, as they come from the stream. */
function* rawBatches(count: number, startMs: number): Generator<readonly RawMessage[]> {
  const encoder = new TextEncoder();
  let batch: RawMessage[] = [];
  let seq = 0;
  for (const { subject, event } of madeEvents(count, startMs)) {
    batch.push({ seq: ++seq, subject, data: encoder.encode(JSON.stringify(event)), time: event.time + 5 });
    if (batch.length === BATCH) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** Processor time spent in `take` alone, for all batches, in ms: that of the clock says how busy the machine is. */
function timed<T>(batches: Iterable<T>, take: (batch: T) => void): number {
  let spent = 0;
  for (const batch of batches) {
    const before = process.cpuUsage();
    take(batch);
    const { user, system } = process.cpuUsage(before);
    spent += (user + system) / 1000;
  }
  return spent;
}

/**
 * The rows that the writer has made, into tables of the same shape and indexes, as many to a transaction, and nothing
 * else: no message is read, no row is changed again.
 *
 * @param hasIntervals false: the rows of events alone
 */
function insertRaw(source: Database, dir: TempDir, hasIntervals: boolean): number {
  const tables = source
    .prepare<[], { name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'ev_%' ORDER BY name",
    )
    .all();
  const file = dir.file(hasIntervals ? "raw-all.db" : "raw.db");
  const db = openSqlite(file);
  try {
    for (const pragma of ["journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 16000"])
      db.pragma(pragma);
    db.pragma("cache_size = -65536");
    const shapes = source.prepare<[string], { sql: string }>(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
    );
    const make = (name: string): void => {
      const statements = shapes.all(name).map(({ sql }) => sql);
      db.exec(statements.join(";"));
    };
    make("itv");
    const intervals = hasIntervals
      ? (source.prepare("SELECT * FROM itv ORDER BY time, epoch, seq").raw().all() as unknown[][])
      : [];
    const timeAt = source
      .prepare("SELECT * FROM itv LIMIT 0")
      .columns()
      .findIndex(({ name }) => name === "time");
    const insertInterval = db.prepare(`INSERT INTO itv VALUES(${"?,".repeat(15)}?)`);
    let next = 0;
    let spent = 0;
    for (const { name } of tables) {
      make(name);
      const rows = source.prepare(`SELECT * FROM ${name} ORDER BY id`).raw().all() as unknown[][];
      const insert = db.prepare(`INSERT INTO ${name} VALUES(${(rows[0] ?? []).map(() => "?").join(",")})`);
      const batches = Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, at) =>
        rows.slice(at * BATCH, (at + 1) * BATCH),
      );
      spent += timed(
        batches,
        db.transaction((batch: unknown[][]) => {
          for (const row of batch) insert.run(...row);
          const until = Number(batch.at(-1)?.[4]);
          for (; next < intervals.length && Number(intervals[next]?.[timeAt]) <= until; next++) {
            insertInterval.run(...(intervals[next] ?? []));
          }
        }),
      );
    }
    return spent;
  } finally {
    db.close();
  }
}

async function withStore<T>(
  count: number,
  work: (stores: Stores, startMs: number, dir: TempDir, spentMs: number) => T,
): Promise<T> {
  await using dir = await tempDir("circus-bench-store-");
  const startMs = Date.now() - DAYS * DAY_MS;
  using stores = openStores(dir.path);
  const writer = new Writer(stores.events, subjects);
  writer.enter({ created: startMs, lastSeq: count });
  const spentMs = timed(rawBatches(count, startMs), (batch) => writer.commit(batch));
  return work(stores, startMs, dir, spentMs);
}

/** By the writer, and by SQLite alone: the same rows, and those of events only. */
async function costOfWriting(): Promise<{ spentMs: number; rawMs: number; rawAllMs: number; bytes: number }> {
  return await withStore(EVENTS, (stores, _, dir, spentMs) => {
    const rawMs = insertRaw(stores.events, dir, false);
    const rawAllMs = insertRaw(stores.events, dir, true);
    stores.events.pragma("wal_checkpoint(TRUNCATE)");
    return { spentMs, rawMs, rawAllMs, bytes: statSync(dir.file("events.db")).size };
  });
}

export async function benchIngest(): Promise<string> {
  console.error(`ingest: ${EVENTS} events by the writer, then by SQLite alone`);
  const { spentMs, rawMs, rawAllMs, bytes } = await costOfWriting();
  const streamed = Math.min(EVENTS, STREAM_MAX);
  console.error(`ingest: ${streamed} events from a stream by a controller`);
  const read = await readByController(madeEvents(streamed, Date.now() - DAYS * DAY_MS));
  const rate = (count: number, spent: number): string => `${((count * 1000) / spent).toFixed(0)}/s`;
  const raw = EVENTS / rawAllMs;
  return table(
    `ingest (batches of ${BATCH}; database ${(bytes / EVENTS).toFixed(0)} bytes an event)`,
    ["events", "rate", "to the same rows", "peak resident"],
    [
      {
        name: "controller: stream → committed",
        cells: [
          String(streamed),
          rate(streamed, read.ms),
          ratio(streamed / read.ms, raw),
          `${read.rssMiB.toFixed(0)} MiB`,
        ],
      },
      {
        name: "its writer: message → committed",
        cells: [String(EVENTS), rate(EVENTS, spentMs), ratio(EVENTS / spentMs, raw), ""],
      },
      {
        name: "SQLite: the same rows of events and intervals",
        cells: [String(EVENTS), rate(EVENTS, rawAllMs), ratio(1, 1), ""],
      },
      {
        name: "SQLite: the rows of events alone",
        cells: [String(EVENTS), rate(EVENTS, rawMs), ratio(EVENTS / rawMs, raw), ""],
      },
    ],
  );
}

export async function benchHistory(): Promise<string> {
  console.error(`history: ${HISTORY} events`);
  return await withStore(HISTORY, ({ events: db }, startMs, dir) => {
    db.pragma("wal_checkpoint(TRUNCATE)");
    const until = startMs + DAYS * DAY_MS;
    const host = (at: number): readonly string[] => [`h${(at * 37) % HOSTS}`];
    const watcher = (at: number): string => `w${(at * 7) % WATCHERS}`;
    const moment = (at: number): number =>
      startMs + Math.floor((((at * 7919) % QUESTIONS) / QUESTIONS) * DAYS * DAY_MS);
    const all = { since: startMs, until } as const;
    const last = (at: number): EventsQuery => ({
      hosts: host(at),
      watcher: watcher(at),
      kinds: null,
      actor: null,
      ...all,
      limit: 50,
    });
    const month = (at: number): UptimeQuery => ({ hosts: host(at), watcher: watcher(at), ...all });
    const questions: readonly (readonly [string, number, (at: number) => unknown])[] = [
      [
        "state of W on H at T",
        QUESTIONS,
        (at) => historyAt(db, { hosts: host(at), watcher: watcher(at), at: moment(at) }),
      ],
      ["uptime of W on H, 30 days", QUESTIONS, (at) => uptime(db, month(at), until)],
      ["last 50 events of W on H", QUESTIONS, (at) => events(db, last(at))],
      [
        `state of all ${HOSTS * WATCHERS} watchers at T`,
        20,
        (at) => historyAt(db, { hosts: null, watcher: null, at: moment(at) }),
      ],
    ];
    const rows = questions.map(([name, count, ask]) => {
      ask(0); // the first reads the pages
      const before = process.cpuUsage();
      const times = Array.from({ length: count }, (_, at) => {
        const begun = performance.now();
        ask(at);
        return performance.now() - begun;
      });
      const { user, system } = process.cpuUsage(before);
      const cpuMs = (user + system) / 1000 / count;
      return { name, cells: [ms(quantile(times, 0.5)), ms(quantile(times, 0.99)), ms(cpuMs)] };
    });
    return table(
      `history of ${HISTORY} events (${HOSTS} hosts × ${WATCHERS} watchers, ${DAYS} days; database ${(statSync(dir.file("events.db")).size / 2 ** 20).toFixed(0)} MiB)`,
      ["p50", "p99", "CPU, mean"],
      rows,
    );
  });
}
