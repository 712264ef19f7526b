/** What `systemctl status` shows of the watchers. */
import type { Arbiter } from "../arbiter.ts";
import type { ServiceManager } from "./manager.ts";
import { summary } from "./messages.ts";

/** At most one message in that time, and none where nothing happens. */
const PAUSE_MS = 1000;

/** Tells the manager what changes, until it is disposed of. */
export function followWatchers(manager: ServiceManager, arbiter: Pick<Arbiter, "onEvent" | "snapshot">): Disposable {
  if (!manager.isThere) return { [Symbol.dispose]: () => undefined };
  let timer: NodeJS.Timeout | null = null;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      manager.status(summary(arbiter.snapshot().watchers));
    }, PAUSE_MS).unref();
  };
  soon();
  const end = arbiter.onEvent(soon);
  const close = (): void => {
    end();
    if (timer !== null) clearTimeout(timer);
  };
  return { [Symbol.dispose]: close };
}
