/** Keeps of a live picture what is to be shown after a restart, before the host has been asked again. */
import type { Database } from "better-sqlite3";
import type { LiveHost } from "../live/model.ts";
import { prepared } from "./prepared.ts";

interface StoredHost {
  readonly version: string | null;
  readonly labels: string | null;
}

interface StoredWatcher {
  readonly name: string;
  readonly n: number | null;
  readonly reason: string | null;
}

/** Most pictures say nothing new: to look is a tenth of what it costs to write. */
export function rememberPicture(db: Database, host: string, live: LiveHost): void {
  const { version } = live;
  const labels = JSON.stringify(live.labels);
  const known = prepared<StoredHost>(db, "SELECT version, labels FROM host WHERE name = @host").get({ host });
  const stored = prepared<StoredWatcher>(
    db,
    `SELECT watcher.name, numprocesses AS n, reason FROM cur JOIN watcher ON watcher.id = watcher_id
     WHERE host_id = (SELECT id FROM host WHERE name = @host)`,
  ).all({ host });
  const changed = stored.flatMap(({ name, n: before, reason: why }) => {
    const watcher = live.watchers.get(name);
    if (watcher === undefined) return [];
    const { numprocesses: n, reason } = watcher;
    return n === before && reason === why ? [] : [{ name, n, reason }];
  });
  const isKnown = known?.version === version && known.labels === labels;
  if (isKnown && changed.length === 0) return;
  db.transaction(() => {
    if (!isKnown) {
      const sql = `INSERT INTO host(name, version, labels) VALUES(@host, @version, @labels)
        ON CONFLICT(name) DO UPDATE SET version = @version, labels = @labels`;
      prepared(db, sql).run({ host, version, labels });
    }
    const current = prepared(
      db,
      `UPDATE cur SET numprocesses = @n, reason = @reason
       WHERE host_id = (SELECT id FROM host WHERE name = @host)
         AND watcher_id = (SELECT id FROM watcher WHERE name = @name)`,
    );
    for (const row of changed) current.run({ host, ...row });
  }).immediate();
}
