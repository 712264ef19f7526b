/** What a leader does beyond answering: begun once all that the last one has told is read, ended at once. */
import { setTimeout as delay } from "node:timers/promises";
import { EVENTS_STREAM, type Logger, reasonOf } from "@circus-cluster/proto";
import type { FleetConnection } from "@circus-cluster/proto/nats";
import type { NatsDoor } from "../doors/nats.ts";
import type { FleetEvents } from "../fleet-events.ts";
import { FLEET } from "../ingest/decode.ts";
import type { PresenceRunner } from "../presence/runner.ts";
import type { Rollouts } from "../rollout/rollouts.ts";
import { readMeta, type Stores, writeMeta } from "../store/database.ts";
import { lastEpoch } from "../store/queries/last-seq.ts";

const LOOK_MS = 50;
const RETRY_MS = 500;

export interface DutyParts {
  readonly connection: Pick<FleetConnection, "streamInfo">;
  readonly stores: Stores;
  readonly mayAct: () => boolean;
  /** The last message taken from the stream. */
  readonly position: () => number;
  readonly events: FleetEvents;
  readonly presence: Pick<PresenceRunner, "recall">;
  readonly rollouts: Pick<Rollouts, "takeUp" | "drop">;
  readonly door: Pick<NatsDoor, "lead">;
  readonly onChange: () => void;
  readonly log: Logger;
}

export class Duty {
  readonly #parts: DutyParts;
  /** Counts beginnings and ends: one that waits sees by it that it is over. */
  #term = 0;
  #isLeading = false;

  constructor(parts: DutyParts) {
    this.#parts = parts;
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  async begin(): Promise<void> {
    const term = ++this.#term;
    while (!(await this.#hasReadAll())) {
      await delay(RETRY_MS);
      if (term !== this.#term) return;
    }
    if (term === this.#term) this.#begin();
  }

  /** There is no other controller. */
  beginAlone(): void {
    this.#term++;
    this.#begin();
  }

  end(): void {
    this.#term++;
    this.#isLeading = false;
    const { door, rollouts, events } = this.#parts;
    door.lead(false);
    rollouts.drop();
    events.halt();
    this.#parts.onChange();
  }

  /** A beginning that is under way is given up; the rest is for those who close the parts. */
  stop(): void {
    this.#term++;
  }

  #begin(): void {
    const { events, stores, presence, rollouts, door } = this.#parts;
    this.#isLeading = true;
    events.begin(takeEpoch(stores));
    presence.recall();
    rollouts.takeUp();
    door.lead(true);
    this.#parts.onChange();
  }

  /** Up to where the stream ends now: what the last leader has told of its rollouts is in there. */
  async #hasReadAll(): Promise<boolean> {
    const { connection, position, log } = this.#parts;
    const term = this.#term;
    try {
      const stream = await connection.streamInfo(EVENTS_STREAM);
      if (stream === null) return false;
      while (position() < stream.lastSeq) {
        await delay(LOOK_MS);
        if (term !== this.#term) return false;
      }
      return true;
    } catch (error) {
      log.warning("the stream cannot be looked at before leading", { reason: reasonOf(error) });
      return false;
    }
  }
}

/** The number of this leader among the controllers' own events: above all before, on disk before it is used. */
function takeEpoch({ rollouts, events }: Stores): number {
  const own = Number(readMeta(rollouts, "fleet_epoch") ?? 0);
  const epoch = Math.max(own + 1, lastEpoch(events, FLEET) + 1, Date.now());
  writeMeta(rollouts, "fleet_epoch", epoch);
  return epoch;
}
