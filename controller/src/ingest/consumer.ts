/**
 * Reads the stream into the database: an ordered consumer from the position, batches of at most 200 messages
 * (1,000 far behind) or 20 ms, one transaction each. Whatever goes wrong, it begins again at the position of the database.
 */
import { setTimeout as delay } from "node:timers/promises";
import { EVENTS_STREAM, type Logger, type Millis, reasonOf, type Subjects } from "@circus-cluster/proto";
import type { Consumption, FleetConnection, StreamMessage } from "@circus-cluster/proto/nats";
import type { StoredEvent } from "./decode.ts";
import type { Committed, Writer } from "./writer.ts";

/** One transaction blocks everything else for some milliseconds at this size (fleet-protocol §4). */
const BATCH_MAX = 200;
/** With so many events behind a message, answers may wait some tens of milliseconds, and each event costs a third less. */
const CATCH_UP_BEHIND = 5000;
const CATCH_UP_MAX = 1000;
const BATCH_MS = 20;
const RETRY_MS = 1000;

export interface ConsumerParts {
  readonly connection: Pick<FleetConnection, "ensureStream" | "orderedConsume">;
  readonly subjects: Subjects;
  readonly writer: Writer;
  /** Servers that keep a copy of the stream; null: as it is. */
  readonly replicas: number | null;
  readonly log: Logger;
  /** After each commit, with what was new in it. */
  readonly onEvents: (events: readonly StoredEvent[]) => void;
}

/** What was counted since the start. */
export interface IngestCounts {
  readonly taken: number;
  readonly seen: number;
  readonly refused: number;
}

/** How far the reading is. */
export interface IngestProgress {
  readonly isReading: boolean;
  /** Events in the stream that are not stored yet; null: nobody knows yet where it ends. */
  readonly pending: number | null;
  /** How old the last stored event is while more wait; 0: all is stored; null: nobody knows yet. */
  readonly lagMs: Millis | null;
}

export class Consumer implements AsyncDisposable {
  readonly #parts: ConsumerParts;
  readonly #stopping = new AbortController();
  #counts: IngestCounts = { taken: 0, seen: 0, refused: 0 };
  #restart: () => void = () => undefined;
  #running: Promise<void> | null = null;
  #lastFailure = "";
  #isReading = false;
  /** Where the stream ends, as far as it is known; null: not yet. */
  #end: number | null = null;
  /** When the stream took the last message that is stored; null: none in this life. */
  #lastTime: Millis | null = null;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
  }

  /** How far behind the stream we are: the one place that reckons it. */
  progress(wallMs: Millis): IngestProgress {
    const pending = this.#end === null ? null : Math.max(0, this.#end - this.#parts.writer.place.pos);
    const ageMs = this.#lastTime === null ? null : Math.max(0, wallMs - this.#lastTime);
    return { isReading: this.#isReading, pending, lagMs: pending === 0 ? 0 : ageMs };
  }

  /** Somebody has looked at the stream. */
  sawEnd(lastSeq: number): void {
    this.#end = Math.max(this.#end ?? 0, lastSeq);
  }

  get counts(): IngestCounts {
    return this.#counts;
  }

  /** Why nothing is read at the moment; null: all is well. */
  get trouble(): string | null {
    return this.#lastFailure === "" ? null : this.#lastFailure;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Looks at the stream again, which may have been made anew: after every reconnect. */
  restart(): void {
    this.#restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#restart();
    await this.#running;
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#read();
      } catch (error) {
        const reason = reasonOf(error);
        if (reason !== this.#lastFailure) this.#parts.log.warning("reading of events fails", { reason });
        this.#lastFailure = reason;
        await delay(RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** Until somebody wants a restart. @throws when the stream cannot be read or the database not be written */
  async #read(): Promise<void> {
    const { connection, subjects, writer, log } = this.#parts;
    const restarted = new Promise<void>((resolve) => {
      this.#restart = resolve;
    });
    const wanted = { name: EVENTS_STREAM, subjects: [subjects.all.events()], replicas: this.#parts.replicas };
    const stream = await connection.ensureStream(wanted);
    const before = writer.place;
    const place = writer.enter(stream);
    if (before.created !== 0 && place.generation !== before.generation) {
      log.warning("the event stream was made anew; it is read from its beginning", { generation: place.generation });
    }
    // Perhaps lower than before, in a stream that was made anew; and of what has grown too old nothing comes.
    this.#end = stream.messages === 0 ? 0 : stream.lastSeq;
    const batch = new Batch((messages) => this.#commit(messages));
    let consumption: Consumption | null = null;
    const take = (message: StreamMessage): Promise<void> | undefined => {
      if (message.seq !== place.pos) return batch.add(message);
      if (writer.recognize(message)) return undefined;
      log.warning("the event stream was set back; it is read from its beginning", { position: place.pos });
      batch.drop();
      this.#restart();
      return undefined;
    };
    try {
      consumption = await connection.orderedConsume({
        stream: EVENTS_STREAM,
        // The last one that is stored again, to see that it is the same stream.
        startSeq: Math.max(1, place.pos),
        onMessage: take,
      });
      log.info("reading events", { from: place.pos + 1, last: stream.lastSeq });
      this.#lastFailure = "";
      this.#isReading = true;
      await Promise.race([consumption.done, batch.failed, restarted]);
    } finally {
      this.#isReading = false;
      batch.drop();
      await consumption?.stop();
    }
  }

  #commit(messages: readonly StreamMessage[]): void {
    const { writer, log, onEvents } = this.#parts;
    const { events, seen, refused }: Committed = writer.commit(messages);
    this.#counts = {
      taken: this.#counts.taken + events.length,
      seen: this.#counts.seen + seen,
      refused: this.#counts.refused + refused.length,
    };
    const last = messages.at(-1);
    if (last !== undefined) {
      this.#lastTime = last.time;
      this.sawEnd(last.seq + last.pending);
    }
    const first = refused[0];
    if (first !== undefined) {
      const facts = { subject: first.subject, why: first.why, count: refused.length, total: this.#counts.refused };
      log.warning("events that cannot be read were left out", facts);
    }
    if (events.length > 0) onEvents(events);
  }
}

/** Messages on their way into one transaction. */
class Batch {
  /** Rejects when a batch cannot be written. */
  readonly failed: Promise<never>;
  readonly #commit: (messages: readonly StreamMessage[]) => void;
  #fail: (error: unknown) => void = () => undefined;
  #messages: StreamMessage[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isDropped = false;

  constructor(commit: (messages: readonly StreamMessage[]) => void) {
    this.#commit = commit;
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined); // awaited in a race that may have ended before
  }

  add(message: StreamMessage): Promise<void> | undefined {
    if (this.#isDropped) return undefined;
    this.#messages.push(message);
    const most = message.pending > CATCH_UP_BEHIND ? CATCH_UP_MAX : BATCH_MAX;
    if (this.#messages.length < most) {
      this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
      return undefined;
    }
    this.#flush();
    // Lets questions, beats and answers in between two transactions.
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** What is not written will be read again. */
  drop(): void {
    this.#isDropped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#messages = [];
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const messages = this.#messages;
    this.#messages = [];
    if (this.#isDropped || messages.length === 0) return;
    try {
      this.#commit(messages);
    } catch (error) {
      this.drop();
      this.#fail(error);
    }
  }
}
