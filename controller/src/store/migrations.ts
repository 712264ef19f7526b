/**
 * The shape of the databases, as numbered steps; `user_version` says how many were taken. A step that was
 * released is never changed: what it should have been is the next step.
 */
import type { Database } from "better-sqlite3";

/** The projection of the stream (design §5). Events themselves: one table per arrival day, see `ingest/writer.ts`. */
export const EVENTS_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
  CREATE TABLE host(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    presence TEXT, presence_epoch INTEGER, presence_since INTEGER,
    beat_epoch INTEGER, beat_seq INTEGER, heard INTEGER,
    skew_epoch INTEGER, skew INTEGER, version TEXT, labels TEXT
  ) STRICT;
  CREATE TABLE watcher(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE kind(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE hw(
    host_id INTEGER, epoch INTEGER, last INTEGER NOT NULL, heard INTEGER NOT NULL,
    PRIMARY KEY(host_id, epoch)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE gap(
    host_id INTEGER, epoch INTEGER, f INTEGER, t INTEGER NOT NULL,
    PRIMARY KEY(host_id, epoch, f)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE host_op(
    host_id INTEGER, epoch INTEGER, seq INTEGER, fleet_epoch INTEGER, fleet_seq INTEGER,
    op TEXT NOT NULL, time INTEGER NOT NULL, actor TEXT, cause TEXT,
    PRIMARY KEY(host_id, epoch, seq, fleet_epoch, fleet_seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE itv(
    host_id INTEGER, watcher_id INTEGER, epoch INTEGER, seq INTEGER, fleet_epoch INTEGER, fleet_seq INTEGER,
    op TEXT NOT NULL, time INTEGER NOT NULL, t0 INTEGER NOT NULL, t1 INTEGER, state TEXT NOT NULL,
    known TEXT NOT NULL, known_epoch INTEGER NOT NULL, is_gone INTEGER NOT NULL, actor TEXT, cause TEXT,
    PRIMARY KEY(host_id, watcher_id, epoch, seq, fleet_epoch, fleet_seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX itv_time ON itv(host_id, watcher_id, t0);
  CREATE TABLE cur(
    host_id INTEGER, watcher_id INTEGER, state TEXT NOT NULL, since INTEGER NOT NULL,
    numprocesses INTEGER, reason TEXT,
    PRIMARY KEY(host_id, watcher_id)
  ) STRICT, WITHOUT ROWID;
  `,
  // Notices that wait, and what they are made from, as JSON: see notify/book.ts.
  `
  CREATE TABLE notice(id TEXT PRIMARY KEY, rule TEXT NOT NULL, due INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX notice_due ON notice(rule, due);
  CREATE TABLE notice_mark(rule TEXT, key TEXT, mark TEXT NOT NULL, PRIMARY KEY(rule, key)) STRICT, WITHOUT ROWID;
  `,
];

/** What must outlive a power cut: rollouts, their steps, the controller's own epoch (design §5). */
export const ROLLOUTS_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
  CREATE TABLE rollout(
    id TEXT PRIMARY KEY, command TEXT NOT NULL, watcher TEXT NOT NULL, actor TEXT NOT NULL,
    created INTEGER NOT NULL, ended INTEGER, state TEXT NOT NULL, reason TEXT, options TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rollout_created ON rollout(created);
  CREATE INDEX rollout_running ON rollout(state) WHERE state = 'running';
  CREATE TABLE step(
    rollout TEXT, ord INTEGER, host TEXT NOT NULL, wave INTEGER NOT NULL, state TEXT NOT NULL,
    command_id TEXT NOT NULL, generation_before INTEGER, pids_before TEXT NOT NULL, pids_after TEXT NOT NULL,
    reason TEXT, updated INTEGER NOT NULL, health_left INTEGER NOT NULL, soak_left INTEGER NOT NULL,
    PRIMARY KEY(rollout, ord)
  ) STRICT, WITHOUT ROWID;
  `,
  // What a rollout is asked and how far its countdowns are, as JSON: the database only keeps it.
  `
  ALTER TABLE rollout ADD COLUMN more TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE step ADD COLUMN outcome TEXT;
  ALTER TABLE step ADD COLUMN wanted TEXT;
  ALTER TABLE step ADD COLUMN before TEXT;
  ALTER TABLE step ADD COLUMN spread TEXT;
  UPDATE step SET outcome = CASE state
    WHEN 'sent' THEN 'not delivered' WHEN 'accepted' THEN 'accepted'
    WHEN 'restarted' THEN 'done' WHEN 'soaking' THEN 'done' WHEN 'done' THEN 'done' END;
  DROP INDEX rollout_running;
  CREATE INDEX rollout_open ON rollout(created) WHERE ended IS NULL;
  `,
  // Of which leader's life the last saving was, and whether the stream has it: see rollout/replica.ts.
  `
  ALTER TABLE rollout ADD COLUMN bucket INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rollout ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rollout ADD COLUMN saves INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rollout ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
  CREATE TABLE controller(name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
  // How far a host is out of its balancer, as JSON.
  `
  ALTER TABLE step ADD COLUMN drain TEXT;
  `,
  // Of a head that is larger than a message of the stream, until its last piece has come.
  `
  CREATE TABLE piece(rollout TEXT, at INTEGER, text TEXT NOT NULL, PRIMARY KEY(rollout, at)) STRICT, WITHOUT ROWID;
  `,
];

/**
 * What watchers use over time: `usage/`. By time first, so that a minute's rows are written side by side and what is old
 * goes as one piece. `tier` is a place in `TIERS`, `t` the beginning of a bucket (s), `cells` are packed.
 */
export const USAGE_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
  CREATE TABLE host(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE watcher(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE host_usage(
    tier INTEGER, t INTEGER, host_id INTEGER, cells BLOB NOT NULL,
    PRIMARY KEY(tier, t, host_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE fleet_usage(
    tier INTEGER, t INTEGER, shard INTEGER, cells BLOB NOT NULL,
    PRIMARY KEY(tier, t, shard)
  ) STRICT, WITHOUT ROWID;
  `,
];

/**
 * Brings a database up to date, each step in a transaction of its own.
 *
 * @throws Error with one line where it was made by a newer version.
 */
export function migrate(db: Database, steps: readonly string[]): void {
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version > steps.length) {
    throw new Error(`${db.name} is of a newer version of circus-controller (schema ${version}, known ${steps.length})`);
  }
  for (const [index, step] of steps.entries()) {
    if (index < version) continue;
    db.transaction(() => {
      db.exec(step);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
