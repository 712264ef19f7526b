/** Keeps of a live picture what is to be shown after a restart, before the host has been asked again. */
import type { Database } from "better-sqlite3";
import type { LiveHost } from "../live/model.ts";

export function rememberPicture(db: Database, host: string, { version, labels, watchers }: LiveHost): void {
  db.transaction(() => {
    db.prepare(
      `INSERT INTO host(name, version, labels) VALUES(@host, @version, @labels)
       ON CONFLICT(name) DO UPDATE SET version = @version, labels = @labels`,
    ).run({ host, version, labels: JSON.stringify(labels) });
    const current = db.prepare(
      `UPDATE cur SET numprocesses = @n, reason = @reason
       WHERE host_id = (SELECT id FROM host WHERE name = @host)
         AND watcher_id = (SELECT id FROM watcher WHERE name = @watcher)`,
    );
    for (const { name, numprocesses, reason } of watchers.values()) {
      current.run({ host, watcher: name, n: numprocesses, reason });
    }
  }).immediate();
}
