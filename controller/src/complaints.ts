/** What of a connection's troubles goes to the log. */
import type { Logger } from "@circus-cluster/proto";
import type { FleetStatus } from "@circus-cluster/proto/nats";

/** Says each trouble with the connection once, until it is over. */
export class Complaints {
  readonly #log: Logger;
  #last = "";

  constructor(log: Logger) {
    this.#log = log;
  }

  take(status: FleetStatus): void {
    switch (status.kind) {
      case "connected":
        this.#last = "";
        this.#log.info("connected to the fleet", { server: status.server });
        return;
      case "disconnected":
        this.#log.warning("disconnected from the fleet; trying again", { reason: status.reason });
        return;
      case "unreachable":
        this.#once("the fleet is unreachable; trying again", status.reason);
        return;
      case "forbidden":
        this.#once("the broker refused", `${status.operation} ${status.subject}`);
        return;
      case "error":
        this.#once("trouble with the connection to the fleet", status.reason);
        return;
      case "closed":
        return;
      default:
        status satisfies never;
    }
  }

  #once(text: string, reason: string): void {
    const key = `${text} ${reason}`;
    if (key === this.#last) return;
    this.#last = key;
    this.#log.warning(text, { reason });
  }
}
