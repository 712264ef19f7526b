/**
 * Brings the lines of the outbox into the stream, in order, at least once.
 *
 * nats.js drops what is published while it is disconnected and says nothing (fleet-protocol §0.1): an event
 * counts as sent only when the stream has acknowledged it. Up to 64 are in flight; after a reconnect, a
 * refusal or a while without acknowledgement the sender goes back to the first unacknowledged one and tries
 * with that one alone until the stream answers. The stream gets them in order, but for one case: a stream
 * that refuses one event of a window and takes the next one (the controller's watermarks fill such a hole).
 *
 * A server syncs its stream once a minute, so that a power cut takes acknowledged events with it (fleet-protocol
 * §4). Whoever connects, therefore, sends again what was acknowledged in the last two minutes; the stream knows
 * repeats by their ids, and the controllers by their numbers.
 */
import {
  EVENTS_STREAM,
  type HostName,
  type Logger,
  messageId,
  parsePubAck,
  reasonOf,
  type Subjects,
} from "@circus-cluster/proto";
import type { FleetConnection, FleetMessage, FleetSubscription } from "@circus-cluster/proto/nats";
import { Complaints } from "../fleet/complaints.ts";
import { parseLine } from "./line.ts";
import { DamagedError, type Line, type Place, type Reader } from "./reader.ts";
import { isAfter, type Position } from "./segments.ts";
import { type Acked, Trail } from "./trail.ts";

const WINDOW = 64;
const ACK_TIMEOUT_MS = 2000;
const BACKOFF_MAX_MS = 30_000;
/** The same complaint is logged again after this. */
const REPEAT_MS = 300_000;

/** What the sender needs of a connection. */
export type OutboxLink = Pick<FleetConnection, "publish" | "subscribe" | "inbox">;

export interface SenderOptions {
  readonly reader: Reader;
  readonly subjects: Subjects;
  readonly host: HostName;
  readonly log: Logger;
  /** Of a former life. */
  readonly acked: Acked;
  readonly monotonic: () => number;
  /** Calls back once, unless the returned function was called before. */
  readonly setTimer: (ms: number, work: () => void) => () => void;
  readonly onAcked: (position: Position) => void;
  /** The rest of that file, behind `after`, cannot be read; the sender goes on with the next file. */
  readonly onDamaged: (order: number, after: Position, reason: string) => void;
}

interface InFlight {
  readonly place: Place;
  readonly position: Position;
  readonly sentMs: number;
  isAcked: boolean;
}

export class Sender {
  readonly #options: SenderOptions;
  /** The last one that was ever acknowledged. */
  #acked: Position;
  readonly #trail: Trail;
  /** Up to and with it nothing is sent any more. */
  #done: Position;
  #link: OutboxLink | null = null;
  #acks: FleetSubscription | null = null;
  #inbox = "";
  #isUp = false;
  /** In the order of the outbox; at most {@link WINDOW}. */
  #flight: InFlight[] = [];
  #window = 1;
  #failures = 0;
  #progressMs = 0;
  #cancelTimer: (() => void) | null = null;
  #isPaused = false;
  readonly #complaints: Complaints;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#acked = options.acked.acked;
    this.#done = options.acked.settled;
    this.#trail = new Trail(options.acked.settled);
    this.#complaints = new Complaints(REPEAT_MS, options.monotonic);
  }

  get acked(): Position {
    return this.#acked;
  }

  /** The last one that the stream has had for so long that it is on the server's disk. */
  get settled(): Position {
    return this.#trail.settled(this.#options.monotonic()).position;
  }

  /** Takes a connection into use; it must be up. */
  attach(link: OutboxLink): void {
    this.detach();
    this.#link = link;
    this.#inbox = link.inbox();
    this.#acks = link.subscribe(`${this.#inbox}.*`, (message) => this.#takeAck(message));
    this.connected();
  }

  detach(): void {
    this.disconnected();
    this.#acks?.close();
    this.#acks = null;
    this.#link = null;
  }

  /** After every reconnect of the attached connection. */
  connected(): void {
    if (this.#link === null) return;
    this.#isUp = true;
    this.#failures = 0;
    this.#restart();
    this.#goBack();
    this.wake();
  }

  disconnected(): void {
    this.#isUp = false;
    this.#restart();
  }

  /** There may be new lines. */
  wake(): void {
    if (!this.#isUp || this.#isPaused) return;
    while (this.#flight.length < this.#window && this.#sendNext());
    if (this.#flight.length > 0 && this.#cancelTimer === null) this.#arm(ACK_TIMEOUT_MS);
  }

  #sendNext(): boolean {
    const { reader, subjects, host, monotonic } = this.#options;
    const line = this.#read();
    if (line === null) return false;
    const event = parseLine(line.bytes);
    if (event === null) {
      this.#skipDamaged(line.place.order, "a line is no event");
      return true;
    }
    const position: Position = { epoch: event.epoch, seq: event.seq };
    if (!isAfter(position, this.#done)) return true;
    const nowMs = monotonic();
    let isSent = false;
    try {
      isSent =
        this.#link?.publish(subjects.event(host, event.watcher, event.kind), line.bytes, {
          reply: `${this.#inbox}.${position.epoch}-${position.seq}`,
          msgId: messageId(host, event),
        }) ?? false;
    } catch (error) {
      // Above the server's payload limit, say: waiting for its acknowledgement makes the trouble visible.
      this.#complain(reasonOf(error));
      isSent = true;
    }
    if (!isSent) {
      reader.seek(line.place);
      return false;
    }
    if (this.#flight.length === 0) this.#progressMs = nowMs;
    this.#flight.push({ place: line.place, position, sentMs: nowMs, isAcked: false });
    return true;
  }

  #read(): Line | null {
    try {
      return this.#options.reader.next();
    } catch (error) {
      if (error instanceof DamagedError) this.#skipDamaged(error.order, error.message);
      else this.#complain(`the outbox cannot be read: ${reasonOf(error)}`);
      return null; // the next `wake` or reconnect goes on
    }
  }

  #skipDamaged(order: number, reason: string): void {
    this.#options.reader.seek({ order: order + 1, offset: 0 });
    const last = this.#flight.at(-1)?.position ?? this.#done;
    this.#options.onDamaged(order, isAfter(last, this.#acked) ? last : this.#acked, reason);
  }

  #takeAck(message: FleetMessage): void {
    const [epoch, seq] = message.subject
      .slice(this.#inbox.length + 1)
      .split("-")
      .map(Number);
    const flight = this.#flight.find(({ position }) => position.epoch === epoch && position.seq === seq);
    if (flight === undefined) return; // of an earlier round, or nobody's
    const ack = parsePubAck(message);
    if (ack.kind === "refused" || ack.stream !== EVENTS_STREAM) {
      this.#fail(ack.kind === "refused" ? ack.reason : `the stream ${ack.stream} took it`);
      return;
    }
    flight.isAcked = true;
    const done = this.#flight.findIndex(({ isAcked }) => !isAcked);
    const acked = this.#flight.splice(0, done < 0 ? this.#flight.length : done).at(-1);
    if (acked === undefined) return;
    this.#done = acked.position;
    if (isAfter(acked.position, this.#acked)) this.#acked = acked.position;
    this.#progressMs = this.#options.monotonic();
    this.#trail.add(acked, this.#progressMs);
    this.#failures = 0;
    this.#window = WINDOW;
    if (!this.#complaints.isEmpty) this.#options.log.info("the stream takes events again");
    this.#complaints.clear();
    this.#options.onAcked(acked.position);
    this.wake();
  }

  /** To what the server may have lost. */
  #goBack(): void {
    const { position, place } = this.#trail.settled(this.#options.monotonic());
    this.#done = position;
    this.#options.reader.seek(place ?? { order: 0, offset: 0 });
  }

  /** The stream said no, or nothing: wait, then go back. */
  #fail(reason: string): void {
    this.#complain(reason);
    this.#restart();
    const waitMs = Math.min(BACKOFF_MAX_MS, 500 * 2 ** this.#failures);
    this.#failures++;
    this.#isPaused = true;
    this.#arm(waitMs);
  }

  /** Forgets what is in flight and reads on from the first unacknowledged line. */
  #restart(): void {
    const first = this.#flight[0];
    if (first !== undefined) this.#options.reader.seek(first.place);
    this.#flight = [];
    this.#window = 1;
    this.#isPaused = false;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #arm(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.setTimer(ms, () => {
      this.#cancelTimer = null;
      this.#onTimer();
    });
  }

  #onTimer(): void {
    if (!this.#isUp) return;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.wake();
      return;
    }
    if (this.#flight.length === 0) return;
    const silentMs = this.#options.monotonic() - this.#progressMs;
    if (silentMs >= ACK_TIMEOUT_MS) this.#fail("no acknowledgement");
    else this.#arm(ACK_TIMEOUT_MS - silentMs);
  }

  #complain(reason: string): void {
    if (this.#complaints.isNews(reason)) this.#options.log.warning("events wait in the outbox", { reason });
  }
}
