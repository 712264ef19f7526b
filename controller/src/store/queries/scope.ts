/** Which hosts and watcher a question is about, as a condition of SQL. */

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
  const conditions = [
    ...(hosts === null
      ? []
      : [`${table}.host_id IN (SELECT id FROM host WHERE name IN (SELECT value FROM json_each(@hosts)))`]),
    ...(watcher === null ? [] : [`${table}.watcher_id = (SELECT id FROM watcher WHERE name = @watcher)`]),
  ];
  return conditions.length === 0 ? "TRUE" : conditions.join(" AND ");
}
