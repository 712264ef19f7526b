/** How long was each watcher up from A to B? Counted from the intervals, so it cannot disagree with the history. */
import type { Millis, UptimeQuery, UptimeRow, WatcherState } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";
import { dayTables, EXITED } from "./days.ts";
import { inScope, type Scope, touchingWindow } from "./scope.ts";

interface Interval {
  readonly host: string;
  readonly watcher: string;
  readonly state: WatcherState;
  /** Cut to the window. */
  readonly from: Millis;
  readonly to: Millis;
}

interface Exits {
  readonly host: string;
  readonly watcher: string;
  readonly exits: number;
  readonly crashes: number;
}

const HOUR_MS = 3_600_000;

/** By host and watcher; those that were not known in the window are left out. `now` ends what still lasts. */
export function uptime(db: Database, query: UptimeQuery, now: Millis): readonly UptimeRow[] {
  const hosts = query.hosts === null ? null : JSON.stringify(query.hosts);
  const until = Math.min(query.until, now);
  const bound = { hosts, watcher: query.watcher, since: query.since, until };
  const exits = countExits(db, query, bound);
  const rows: UptimeRow[] = [];
  let sum: Sum | null = null;
  const end = (): void => {
    if (sum !== null) rows.push(sum.row(exits.get(keyOf(sum))));
  };
  // A host at a time: those of a whole fleet would be millions, held at once.
  for (const host of prepared<{ name: string }>(db, hostsOf(query)).all(bound)) {
    const one = { hosts: [host.name], watcher: query.watcher };
    for (const interval of prepared<Interval>(db, intervalsOf(one)).all({
      ...bound,
      hosts: JSON.stringify(one.hosts),
    })) {
      if (sum === null || sum.host !== interval.host || sum.watcher !== interval.watcher) {
        end();
        sum = new Sum(interval.host, interval.watcher);
      }
      sum.add(interval);
    }
  }
  end();
  return rows;
}

/** Those that may have intervals. */
function hostsOf(scope: Scope): string {
  return `
  SELECT DISTINCT host.name
  FROM cur
  JOIN host ON host.id = cur.host_id
  WHERE ${inScope("cur", scope)}
  ORDER BY host.name`;
}

function intervalsOf(scope: Scope): string {
  return `
  SELECT host.name AS host, watcher.name AS watcher, itv.state,
         max(itv.t0, @since) AS "from", min(ifnull(itv.t1, @until), @until) AS "to"
  ${touchingWindow(scope)}
  ORDER BY host.name, watcher.name, itv.t0`;
}

/** Adds the intervals of one watcher on one host, oldest first. */
class Sum {
  readonly host: string;
  readonly watcher: string;
  readonly #ms: Record<"active" | "changing" | "stopped" | "failed" | "unknown", number> = {
    ...{ active: 0, changing: 0, stopped: 0, failed: 0, unknown: 0 },
  };
  #outage: { from: Millis; ms: Millis } | null = null;
  #current: { from: Millis; ms: Millis } | null = null;

  constructor(host: string, watcher: string) {
    this.host = host;
    this.watcher = watcher;
  }

  add({ state, from, to }: Interval): void {
    const ms = Math.max(0, to - from);
    this.#ms[state === "starting" || state === "stopping" ? "changing" : state] += ms;
    if (state === "active" || state === "unknown") {
      this.#current = null;
      return;
    }
    this.#current = { from: this.#current?.from ?? from, ms: (this.#current?.ms ?? 0) + ms };
    if (this.#current.ms > (this.#outage?.ms ?? 0)) this.#outage = this.#current;
  }

  row(exits: Exits | undefined): UptimeRow {
    const { active, changing, stopped, failed, unknown } = this.#ms;
    const known = active + changing + stopped + failed;
    return {
      ...{ host: this.host, watcher: this.watcher },
      ...{ activeMs: active, changingMs: changing, stoppedMs: stopped, failedMs: failed, unknownMs: unknown },
      percent: known === 0 ? null : (100 * active) / known,
      exits: exits?.exits ?? 0,
      crashes: exits?.crashes ?? 0,
      outage: this.#outage,
    };
  }
}

function keyOf({ host, watcher }: Pick<Exits, "host" | "watcher">): string {
  return `${host} ${watcher}`;
}

function countExits(
  db: Database,
  scope: Scope,
  bound: { readonly since: Millis; readonly until: Millis },
): ReadonlyMap<string, Exits> {
  const counts = new Map<string, Exits>();
  const kind = prepared<{ id: number }>(db, "SELECT id FROM kind WHERE name = @name").get({ name: EXITED })?.id;
  if (kind === undefined) return counts;
  for (const { table, startMs } of dayTables(db)) {
    if (startMs + 25 * HOUR_MS <= bound.since) break;
    for (const row of prepared<Exits>(db, exitsOf(table, kind, scope)).all(bound)) {
      const before = counts.get(keyOf(row));
      const sum = { exits: row.exits + (before?.exits ?? 0), crashes: row.crashes + (before?.crashes ?? 0) };
      counts.set(keyOf(row), { ...row, ...sum });
    }
  }
  return counts;
}

/** The number itself stands in it: only so SQLite sees that the index of exits fits (see `dayTableSql`). */
function exitsOf(table: string, kind: number, scope: Scope): string {
  return `
    SELECT host.name AS host, watcher.name AS watcher, count(*) AS exits,
           sum(json_extract(e.data, '$.expected') IS 0) AS crashes
    FROM ${table} AS e
    JOIN host ON host.id = e.host_id
    JOIN watcher ON watcher.id = e.watcher_id
    WHERE e.kind_id = ${kind} AND e.ts >= @since AND e.ts < @until
      AND ${inScope("e", scope)}
    GROUP BY e.host_id, e.watcher_id`;
}
