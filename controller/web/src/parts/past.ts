/** The fleet as it was at a moment, as a picture like that of now. */
import { useEffect, useState } from "preact/hooks";
import { ask } from "../api.ts";
import type { HostView, Picture, WatcherView } from "../model.ts";
import { picture, text } from "../state.ts";

export interface Past {
  readonly picture: Picture | null;
  readonly trouble: string | null;
}

/** While a person moves the time line, only where they rest is asked. */
const REST_MS = 120;

export function usePast(at: number | null): Past {
  const [past, setPast] = useState<Past>({ picture: null, trouble: null });
  useEffect(() => {
    if (at === null) {
      setPast({ picture: null, trouble: null });
      return;
    }
    const control = new AbortController();
    const timer = setTimeout(() => {
      ask("history-at", { at }, control.signal).then(
        ({ rows }) => {
          const hosts = new Map<string, HostView>();
          for (const { host, watcher, state, from, cause } of rows) {
            const before = hosts.get(host);
            const view: WatcherView = {
              ...{ name: watcher, state, since: from, numprocesses: null },
              ...{ running: 0, healthy: 0, pids: [], reason: cause },
            };
            const watchers = new Map(before?.watchers).set(watcher, view);
            const info = picture.value.hosts.get(host)?.info ?? null;
            // What is known of a watcher then is known by its host: "unknown" is said of the watcher itself.
            hosts.set(host, { host, presence: "online", heard: null, info, watchers });
          }
          setPast({ picture: { hosts, rollouts: new Map() }, trouble: null });
        },
        (error: unknown) => {
          if (!control.signal.aborted) setPast((before) => ({ ...before, trouble: text(error) }));
        },
      );
    }, REST_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [at]);
  return past;
}
