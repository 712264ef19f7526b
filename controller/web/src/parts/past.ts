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
          const hosts = new Map<string, HostView & { readonly watchers: Map<string, WatcherView> }>();
          for (const { host, watcher, state, from, cause } of rows) {
            let view = hosts.get(host);
            if (view === undefined) {
              const info = picture.value.hosts.get(host)?.info ?? null;
              // What is known of a watcher then is known by its host: "unknown" is said of the watcher itself.
              view = { host, presence: "online", heard: null, info, watchers: new Map() };
              hosts.set(host, view);
            }
            view.watchers.set(watcher, {
              ...{ name: watcher, state, since: from, numprocesses: null },
              ...{ running: 0, healthy: 0, pids: [], reason: cause },
            });
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
