/** One call, three readers: the fleet's outbox, the PUB socket, the debug log. */
import type { Clock, EventDraft, Logger } from "@circus-cluster/proto";
import type { CircusEvent, EventBus } from "./api.ts";
import type { Outbox } from "./outbox.ts";

export interface EventBusOptions {
  /** Null without a fleet. */
  readonly outbox: Pick<Outbox, "append"> | null;
  /** The PUB socket; `data.time` is set (epoch seconds). */
  readonly publish: (event: CircusEvent) => void;
  /** Hears the kind of each event; @default nobody */
  readonly count?: ((kind: string) => void) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createEventBus(options: EventBusOptions): EventBus {
  const { outbox, publish, count, clock, log } = options;
  return {
    emit: (draft: EventDraft) => {
      const seq = outbox?.append(draft) ?? 0;
      const { kind, watcher, pid, actor } = draft;
      count?.(kind);
      log.debug("event", { kind, watcher: watcher ?? undefined, pid, actor, seq });
      return seq;
    },
    publish: (event) => publish({ ...event, data: { time: clock.wall() / 1000, ...event.data } }),
  };
}
