/** `depends_on`: who has to be healthy before whom starts, and who stops before whom (design §3). */
import type { WatcherConfig } from "../config/types.ts";
import type { WatcherControl } from "../watcher/api.ts";

/** Remembers which watchers are healthy and tells those that depend on one when that changes. */
export class Dependencies {
  readonly #healthy = new Set<string>();
  readonly #watchers: () => readonly WatcherControl[];

  /** @param watchers all of them, as they are at the moment of asking */
  constructor(watchers: () => readonly WatcherControl[]) {
    this.#watchers = watchers;
  }

  turned(name: string, isHealthy: boolean): void {
    if (isHealthy) this.#healthy.add(name);
    else this.#healthy.delete(name);
    for (const watcher of this.#watchers()) {
      const { dependsOn } = watcher.config.lifecycle;
      if (dependsOn.includes(name)) watcher.dependenciesChanged(this.unmet(watcher.config));
    }
  }

  /** It is no more. */
  forget(name: string): void {
    this.turned(name, false);
  }

  unmet({ lifecycle }: WatcherConfig): readonly string[] {
    return lifecycle.dependsOn.filter((name) => !this.#healthy.has(name));
  }
}

/** Those that others depend on first, else in the order given. There are no circles: the configuration was checked. */
export function dependenciesFirst(watchers: readonly WatcherControl[]): readonly WatcherControl[] {
  const byName = new Map(watchers.map((watcher) => [watcher.config.name, watcher]));
  const ordered = new Set<WatcherControl>();
  const visit = (watcher: WatcherControl, path: ReadonlySet<string>): void => {
    const { name, lifecycle } = watcher.config;
    for (const other of lifecycle.dependsOn) {
      const dependency = byName.get(other);
      if (dependency !== undefined && !path.has(other)) visit(dependency, new Set([...path, name]));
    }
    ordered.add(watcher);
  };
  for (const watcher of watchers) visit(watcher, new Set([watcher.config.name]));
  return [...ordered];
}

/** Those among `watchers` that depend on this one. */
export function dependentsOf(name: string, watchers: readonly WatcherControl[]): readonly WatcherControl[] {
  return watchers.filter((watcher) => watcher.config.lifecycle.dependsOn.includes(name));
}
