/** A look into a controller's database, past the controller. */
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { openSqlite } from "../../controller/src/store/sqlite.ts";

interface Key {
  readonly host: string;
  readonly epoch: number;
  readonly seq: number;
  readonly kind: string;
}

export interface StoredEvents {
  readonly total: number;
  /** Different by host, epoch and seq. */
  readonly distinct: number;
  readonly byHost: ReadonlyMap<string, number>;
  /** The seqs of one life of a host, ascending. */
  seqs(host: string, epoch: number): readonly number[];
  /** Of all lives of a host. */
  kinds(host: string): readonly string[];
}

/** What is the same in the databases of all controllers: no numbers of rows, and nothing of when what arrived. */
export interface Projection {
  readonly events: readonly unknown[];
  readonly intervals: readonly unknown[];
  readonly gaps: readonly unknown[];
}

export function projectionOf(stateDir: string): Projection {
  const db = openSqlite(join(stateDir, "events.db"), { readonly: true });
  try {
    const all = (text: string): readonly unknown[] => db.prepare(text).all();
    const events = eventTables(db).map(
      (
        name,
      ) => `SELECT host.name AS host, epoch, seq, ts, kind.name AS kind, watcher.name AS watcher, pid, actor, cause, data
        FROM ${name} JOIN host ON host.id = host_id JOIN kind ON kind.id = kind_id LEFT JOIN watcher ON watcher.id = watcher_id`,
    );
    return {
      events: events.length === 0 ? [] : all(`${events.join(" UNION ALL ")} ORDER BY host, epoch, seq`),
      intervals: all(
        `SELECT host.name AS host, watcher.name AS watcher, t0, t1, state, actor, cause FROM itv
         JOIN host ON host.id = host_id JOIN watcher ON watcher.id = watcher_id
         ORDER BY host, watcher, epoch, seq, fleet_epoch, fleet_seq`,
      ),
      gaps: all(
        "SELECT host.name AS host, epoch, f, t FROM gap JOIN host ON host.id = host_id ORDER BY host, epoch, f",
      ),
    };
  } finally {
    db.close();
  }
}

function eventTables(db: Database): readonly string[] {
  return db
    .prepare<[], { name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'ev\\_%' ESCAPE '\\'",
    )
    .all()
    .map(({ name }) => name);
}

/** Every event that the controller with this state directory has stored. */
export function storedEvents(stateDir: string): StoredEvents {
  const db = openSqlite(join(stateDir, "events.db"), { readonly: true });
  try {
    const keys = eventTables(db).flatMap((name) =>
      db
        .prepare<[], Key>(
          `SELECT host.name AS host, epoch, seq, kind.name AS kind FROM ${name}
           JOIN host ON host.id = host_id JOIN kind ON kind.id = kind_id`,
        )
        .all(),
    );
    const byHost = new Map<string, number>();
    for (const { host } of keys) byHost.set(host, (byHost.get(host) ?? 0) + 1);
    return {
      total: keys.length,
      distinct: new Set(keys.map(({ host, epoch, seq }) => `${host} ${epoch} ${seq}`)).size,
      byHost,
      kinds: (host) => keys.filter((key) => key.host === host).map(({ kind }) => kind),
      seqs: (host, epoch) =>
        keys
          .filter((key) => key.host === host && key.epoch === epoch)
          .map(({ seq }) => seq)
          .sort((a, b) => a - b),
    };
  } finally {
    db.close();
  }
}
