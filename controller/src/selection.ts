/** Which hosts and watchers a question is about, or the one line that says why it cannot be answered. Pure. */

/** Names listed in a message before it says how many more there are. */
const LISTED_MAX = 10;

/** `a, b, c`, or `a, b, … and 7 more`. */
export function listed(names: readonly string[]): string {
  const rest = names.length - LISTED_MAX;
  return rest > 0 ? `${names.slice(0, LISTED_MAX).join(", ")} and ${rest} more` : names.join(", ");
}

/** `host web1 is lost` / `hosts web1, web2 are lost`. */
export function hostsAre(hosts: readonly string[], what: string): string {
  return hosts.length === 1 ? `host ${listed(hosts)} is ${what}` : `hosts ${listed(hosts)} are ${what}`;
}

/** `no host 'web9' in fleet 'main'; known: web1, web2` */
export function noHost(fleet: string, unknown: readonly string[], known: readonly string[]): string {
  const who = unknown.map((host) => `'${host}'`);
  const end = known.length === 0 ? "none was ever heard" : `known: ${listed(known)}`;
  return `no host ${listed(who)} in fleet '${fleet}'; ${end}`;
}

/** `no watcher 'x' on any host` / `no watcher 'x' on host 'web1'` */
export function noWatcher(watcher: string, hosts: readonly string[] | null): string {
  if (hosts === null) return `no watcher '${watcher}' on any host`;
  const who = hosts.map((host) => `'${host}'`);
  return `no watcher '${watcher}' on ${who.length === 1 ? "host" : "hosts"} ${listed(who)}`;
}
