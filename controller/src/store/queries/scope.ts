/** Which hosts, watcher and time a question is about, as pieces of SQL. */

export interface Scope {
  /** Null stands for all. */
  readonly hosts: readonly string[] | null;
  readonly watcher: string | null;
}

/**
 * Of a table with `host_id` and `watcher_id`; wants `@hosts` as JSON and `@watcher`. What is not chosen is not written:
 * SQLite then begins at the rows of the host, where "null or one of" would make it look at every host's.
 */
export function inScope(table: string, { hosts, watcher }: Scope): string {
  // One host is an equation: rows then come in the order of the index, and need not be sorted.
  const named =
    hosts?.length === 1
      ? `= (SELECT id FROM host WHERE name = json_extract(@hosts, '$[0]'))`
      : "IN (SELECT id FROM host WHERE name IN (SELECT value FROM json_each(@hosts)))";
  const conditions = [
    ...(hosts === null ? [] : [`${table}.host_id ${named}`]),
    ...(watcher === null ? [] : [`${table}.watcher_id = (SELECT id FROM watcher WHERE name = @watcher)`]),
  ];
  return conditions.length === 0 ? "TRUE" : conditions.join(" AND ");
}

/**
 * `FROM` and `WHERE` of the intervals that touch [since, until), those of no length left out; wants `@since` and
 * `@until` besides. CROSS: SQLite would read all intervals there are, were it free to begin with them. An interval that began earlier is found by its beginning, which has an index.
 */
export function touchingWindow(scope: Scope): string {
  return `
    FROM cur
    JOIN host ON host.id = cur.host_id
    JOIN watcher ON watcher.id = cur.watcher_id
    CROSS JOIN itv ON itv.host_id = cur.host_id AND itv.watcher_id = cur.watcher_id
    WHERE ${inScope("cur", scope)}
      AND itv.t0 < @until
      AND itv.t0 >= ifnull((SELECT max(t0) FROM itv AS i
                            WHERE i.host_id = cur.host_id AND i.watcher_id = cur.watcher_id AND i.t0 <= @since), 0)
      AND (itv.t1 IS NULL OR (itv.t1 > @since AND itv.t1 > itv.t0))`;
}
