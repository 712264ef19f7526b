/** How parts of the agent tell what happened: one call, which feeds PUB, outbox and log (design §3, §4). */
import type { EventDraft } from "@circus-cluster/proto";

/** A Circus event for the PUB socket, reference §6: topic `watcher.<res_name>.<event>`. */
export interface CircusEvent {
  readonly watcher: string;
  readonly event:
    | "spawn"
    | "reap"
    | "kill"
    | "start"
    | "stop"
    | "reload"
    | "updated"
    | "add"
    | "remove"
    | "hook_success"
    | "hook_failure";
  /** Payload without `time`, which the bus adds (epoch seconds) unless it is given. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventBus {
  /** Numbers the event, stores it for the fleet (if there is one) and returns its `seq` (0 without a fleet). */
  emit(event: EventDraft): number;
  /** Publishes on the PUB socket. */
  publish(event: CircusEvent): void;
}
