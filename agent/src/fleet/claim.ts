/**
 * One host name, one agent. Before it serves, an agent asks on its own heartbeat subject who holds the name; whoever
 * serves says so at once, and the asker stays away. Challenge and answer carry an id, so that nothing an earlier
 * life of this very agent has left in a queue can be taken for a rival: after a quick restart nobody answers.
 *
 * Two that ask at once, or that served on both sides of a cut, agree without words: the older life stays.
 */
import { randomBytes } from "node:crypto";
import {
  type HostClaim,
  type HostName,
  heartbeat,
  hostClaim,
  type Millis,
  parse,
  type Subjects,
} from "@circus-cluster/proto";
import type { FleetConnection, FleetMessage, FleetSubscription } from "@circus-cluster/proto/nats";

/** A holder whose loop is blocked for longer is found later, by its heartbeat. */
const ANSWER_MS = 1000;
/** Between two challenges to whoever beats under our name. */
const CHALLENGE_MS = 1000;

/** Another agent under this host's name. */
export type Rival = Pick<HostClaim, "epoch" | "machine" | "pid">;

export interface ClaimParts {
  readonly connection: Pick<FleetConnection, "subscribe" | "publish">;
  readonly subjects: Subjects;
  readonly host: HostName;
  readonly self: Rival;
  readonly monotonic: () => Millis;
  /** We hold the name, and this one was told so. May be called again and again. */
  readonly onRefused: (rival: Rival) => void;
  /** We held the name, and have to give it up. */
  readonly onYield: (rival: Rival) => void;
}

export class Claim implements Disposable {
  readonly #parts: ClaimParts;
  readonly #subscription: FleetSubscription;
  #id = "";
  #isHeld = false;
  #challengedMs = Number.NEGATIVE_INFINITY;
  /** While we ask. */
  #refuse: ((rival: Rival) => void) | null = null;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
    const { connection, subjects, host } = parts;
    this.#subscription = connection.subscribe(subjects.heartbeat(host), (message) => this.#take(message));
  }

  /** Asks, and holds the name from then on. @returns who holds it already; null: nobody */
  async take(waitMs: Millis = ANSWER_MS): Promise<Rival | null> {
    let timer: NodeJS.Timeout | undefined;
    const rival = await new Promise<Rival | null>((resolve) => {
      this.#refuse = resolve;
      timer = setTimeout(() => resolve(null), waitMs);
      this.#challenge();
    });
    clearTimeout(timer);
    this.#refuse = null;
    this.#isHeld = rival === null;
    return rival;
  }

  [Symbol.dispose](): void {
    this.#isHeld = false;
    this.#subscription.close();
  }

  #take(message: FleetMessage): void {
    const value = message.json();
    const claim = parse(hostClaim, value);
    if (claim.ok) {
      if (isSame(claim.value, this.#parts.self)) return; // our own, as all who listen hear it
      if (claim.value.kind === "claim") this.#onClaim(claim.value);
      else if (claim.value.id === this.#id) this.#onHeld(claim.value);
      return;
    }
    const beat = parse(heartbeat, value);
    const isForeign = beat.ok && beat.value.epoch !== this.#parts.self.epoch;
    const nowMs = this.#parts.monotonic();
    if (isForeign && this.#isHeld && nowMs - this.#challengedMs >= CHALLENGE_MS) this.#challenge();
  }

  #onClaim(rival: HostClaim): void {
    if (this.#isHeld) {
      this.#send("held", rival.id);
      this.#parts.onRefused(rival);
    } else if (isOlder(rival, this.#parts.self)) this.#refuse?.(rival);
    // It began to listen after our own question, so it has to be told; else both would find nobody.
    else if (this.#refuse !== null) this.#send("held", rival.id);
  }

  #onHeld(rival: HostClaim): void {
    if (this.#refuse !== null) this.#refuse(rival);
    else if (this.#isHeld && isOlder(rival, this.#parts.self)) {
      this.#isHeld = false;
      this.#parts.onYield(rival);
    }
  }

  #challenge(): void {
    this.#id = randomBytes(8).toString("hex");
    this.#challengedMs = this.#parts.monotonic();
    this.#send("claim", this.#id);
  }

  #send(kind: HostClaim["kind"], id: string): void {
    const { connection, subjects, host, self } = this.#parts;
    const claim: HostClaim = { v: 1, kind, id, ...self };
    connection.publish(subjects.heartbeat(host), claim);
  }
}

function isSame(a: Rival, b: Rival): boolean {
  return a.epoch === b.epoch && a.machine === b.machine && a.pid === b.pid;
}

/** Total: of two agents exactly one is the older one. */
function isOlder(a: Rival, b: Rival): boolean {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch;
  return a.machine === b.machine ? a.pid < b.pid : a.machine < b.machine;
}
