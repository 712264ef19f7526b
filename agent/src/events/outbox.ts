/**
 * Numbers the agent's events, keeps them on disk until the stream has them, and says aloud what it had to
 * drop (design §4).
 *
 * Invariants: (1) an event is on disk before it is published; (2) a number is given once, and the epoch that
 * it belongs to was durable before; (3) every number that never reaches the stream is named by an
 * `outbox_truncated {epoch, from, to, reason}` event; (4) a full or broken disk stops no worker: it costs
 * events, which become (3) as soon as something can be written again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, type EventDraft, type HostName, type Logger, reasonOf, Subjects } from "@circus-cluster/proto";
import { replaceFile } from "../durable-file.ts";
import { takeEpoch } from "./epoch.ts";
import { encode } from "./line.ts";
import { explanationsIn, merge } from "./lost.ts";
import { Reader } from "./reader.ts";
import { isAfter, type Lost, type Position, type Segment, Segments } from "./segments.ts";
import { type OutboxLink, Sender } from "./sender.ts";
import type { Acked } from "./trail.ts";

export interface OutboxOptions {
  readonly stateDir: string;
  readonly fleet: string;
  readonly host: HostName;
  readonly clock: Clock;
  readonly log: Logger;
  /** All segments together; default 64 MiB. */
  readonly maxBytes?: number;
  /** Acknowledged segments kept to be sent again; default 8 MiB. */
  readonly keepBytes?: number;
  /** Default 1 MiB. */
  readonly segmentBytes?: number;
  readonly setTimer?: (ms: number, work: () => void) => () => void;
}

/** Dropped for room, never written, cut short by a crash, or found changed on disk. */
type Reason = "full" | "disk" | "torn" | "damaged";

const SYNC_EVENTS = 50;
const SYNC_MS = 100;
const ACKED_FILE = "acked";
const ACKED_SAVE_MS = 1000;
const RETRY_MS = 1000;
const MIB = 1024 * 1024;

function realTimer(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}

export class Outbox {
  readonly epoch: number;
  readonly #options: OutboxOptions;
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #keepBytes: number;
  readonly #setTimer: (ms: number, work: () => void) => () => void;
  readonly #segments: Segments;
  readonly #reader: Reader;
  readonly #sender: Sender;
  #seq = 0;
  #unsynced = 0;
  #isSyncing = false;
  #cancelSync: (() => void) | null = null;
  #cancelSave: (() => void) | null = null;
  /** What is lost and not yet said in an event; the last entry of reason "disk" grows while the disk is full. */
  #unexplained: { lost: Lost; readonly reason: Reason }[] = [];
  #isClosed = false;

  private constructor(options: OutboxOptions, segments: Segments) {
    this.#options = options;
    this.#dir = join(options.stateDir, "outbox");
    this.#maxBytes = options.maxBytes ?? 64 * MIB;
    this.#keepBytes = options.keepBytes ?? 8 * MIB;
    this.#setTimer = options.setTimer ?? realTimer;
    this.#segments = segments;
    const acked = readAcked(this.#dir);
    const lastEpoch = Math.max(segments.lastEpoch, acked.acked.epoch);
    this.epoch = takeEpoch(options.stateDir, options.clock.wall(), lastEpoch);
    this.#reader = new Reader(segments);
    this.#sender = new Sender({
      reader: this.#reader,
      subjects: new Subjects(options.fleet),
      host: options.host,
      log: options.log,
      acked,
      monotonic: () => options.clock.monotonic(),
      setTimer: this.#setTimer,
      onAcked: () => this.#onAcked(),
      onDamaged: (order, after, reason) => this.#onDamaged(order, after, reason),
    });
  }

  /**
   * Opens the outbox of this state directory and begins a new epoch. Unsent events of older ones come first.
   *
   * @throws the system's error where the directory cannot be read or written.
   */
  static open(options: OutboxOptions): Outbox {
    const { segments, torn } = Segments.open(join(options.stateDir, "outbox"), options.segmentBytes ?? MIB);
    const outbox = new Outbox(options, segments);
    for (const lost of torn) outbox.#explain(lost, "torn");
    if (outbox.#unexplained.length === 0) segments.repair();
    return outbox;
  }

  /** The last number given; 0 before the first event. */
  get seq(): number {
    return this.#seq;
  }

  /** Events on disk that the stream has not acknowledged. */
  get backlog(): number {
    const { epoch, seq } = this.#sender.acked;
    let count = 0;
    for (const segment of this.#segments.list) {
      if (segment.epoch < epoch) continue;
      const first = segment.epoch === epoch ? Math.max(segment.first, seq + 1) : segment.first;
      count += Math.max(0, segment.last - first + 1);
    }
    return count;
  }

  /** Numbers and stores an event; never throws. @returns its seq. */
  append(draft: EventDraft): number {
    if (this.#isClosed) return 0;
    const seq = this.#store(draft);
    this.#dropWhatIsTooMuch();
    this.#sender.wake();
    return seq;
  }

  /** A connection that is up; it stays until `detach`. */
  attach(link: OutboxLink): void {
    this.#sender.attach(link);
  }
  detach(): void {
    this.#sender.detach();
  }
  /** The attached connection came back. */
  connected(): void {
    this.#sender.connected();
  }
  disconnected(): void {
    this.#sender.disconnected();
  }

  /** Writes out what is pending and closes the files; what is unsent waits for the next start. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#explainAll();
    this.#isClosed = true;
    this.#sender.detach();
    this.#cancelSync?.();
    this.#cancelSave?.();
    await this.#sync();
    this.#saveAcked();
    this.#reader.close();
    try {
      this.#segments.close();
    } catch (error) {
      this.#options.log.error("the outbox cannot be closed cleanly", { reason: reasonOf(error) });
    }
  }

  #store(draft: EventDraft): number {
    const isWritable = this.#explainAll();
    const seq = ++this.#seq;
    if (!isWritable) this.#lose(seq);
    else {
      try {
        this.#write(seq, this.#encode(seq, draft));
      } catch (error) {
        this.#lose(seq);
        const reason = reasonOf(error);
        this.#options.log.error("events are lost: the outbox cannot be written", { dir: this.#dir, reason });
      }
    }
    return seq;
  }

  #encode(seq: number, draft: EventDraft): Buffer {
    return encode({ epoch: this.epoch, seq, time: this.#options.clock.wall() }, draft);
  }

  #write(seq: number, line: Buffer): void {
    try {
      this.#segments.append(this.epoch, seq, line);
    } catch (error) {
      // What is kept only to be sent again makes room first.
      if (!this.#dropAcked(0)) throw error;
      this.#segments.append(this.epoch, seq, line);
    }
    this.#unsynced++;
    if (this.#unsynced >= SYNC_EVENTS) void this.#sync();
    else this.#cancelSync ??= this.#setTimer(SYNC_MS, () => void this.#sync());
  }

  #lose(seq: number): void {
    const last = this.#unexplained.at(-1);
    if (last?.reason === "disk" && last.lost.to === seq - 1) last.lost = { ...last.lost, to: seq };
    else this.#unexplained.push({ lost: { epoch: this.epoch, from: seq, to: seq }, reason: "disk" });
    // Tried again even if nothing more happens.
    this.#cancelSync ??= this.#setTimer(RETRY_MS, () => void this.#sync());
  }

  #explain(lost: Lost, reason: Reason): void {
    this.#unexplained.push({ lost, reason });
    this.#explainAll();
  }

  /**
   * Says in events what is lost, durably: a power cut must not take the explanation with it.
   *
   * @returns false where the disk does not let us; no number is spent then.
   */
  #explainAll(): boolean {
    if (this.#unexplained.length === 0) return true;
    try {
      for (let first = this.#unexplained[0]; first !== undefined; first = this.#unexplained[0]) {
        const { lost, reason } = first;
        const seq = this.#seq + 1;
        this.#write(seq, this.#encode(seq, { kind: "outbox_truncated", watcher: null, data: { ...lost, reason } }));
        this.#seq = seq;
        this.#unexplained.shift();
        if (reason === "disk") this.#options.log.info("the outbox can be written again", { ...lost });
      }
      this.#segments.syncNow();
      return true;
    } catch {
      return false; // said when the first event was lost
    }
  }

  async #sync(): Promise<void> {
    this.#cancelSync?.();
    this.#cancelSync = null;
    this.#unsynced = 0;
    if (!this.#isClosed) {
      if (!this.#explainAll()) this.#cancelSync = this.#setTimer(RETRY_MS, () => void this.#sync());
      this.#sender.wake();
    }
    if (this.#isSyncing) {
      if (!this.#isClosed) this.#cancelSync ??= this.#setTimer(SYNC_MS, () => void this.#sync());
      return;
    }
    this.#isSyncing = true;
    try {
      await this.#segments.sync();
    } catch (error) {
      this.#options.log.error("the outbox cannot be synced", { dir: this.#dir, reason: reasonOf(error) });
    } finally {
      this.#isSyncing = false;
    }
  }

  #isAcked(segment: Segment): boolean {
    return !isAfter({ epoch: segment.epoch, seq: segment.last }, this.#sender.acked);
  }

  /** Drops acknowledged files until at most `keep` bytes of them are left. @returns whether one went. */
  #dropAcked(keep: number): boolean {
    let acked = 0;
    for (const segment of this.#segments.list) if (this.#isAcked(segment)) acked += segment.bytes;
    let hasDropped = false;
    while (acked > keep) {
      const oldest = this.#segments.list[0];
      if (oldest === undefined || !this.#isAcked(oldest)) break;
      acked -= oldest.bytes;
      if (!this.#tryDrop()) break;
      hasDropped = true;
    }
    return hasDropped;
  }

  #dropWhatIsTooMuch(): void {
    let excess = this.#segments.totalBytes - this.#maxBytes;
    if (excess <= 0 || this.#unexplained.length > 0) return;
    const goners = this.#segments.list.slice(0, -1).filter(({ bytes }) => {
      excess -= bytes;
      return excess + bytes > 0;
    });
    const { acked } = this.#sender;
    const lost = goners
      .filter((segment) => !this.#isAcked(segment))
      .flatMap((segment): Lost[] => {
        const { epoch, first, last } = segment;
        // What it explained itself would be forgotten with it.
        const from = epoch === acked.epoch ? Math.max(first, acked.seq + 1) : first;
        return [...explanationsIn(segment), { epoch, from, to: last }];
      });
    // Said before it is done: else a crash in between would hide it.
    for (const range of merge(lost)) {
      this.#options.log.error("the outbox is full: its oldest events are dropped", { ...range, limit: this.#maxBytes });
      this.#unexplained.push({ lost: range, reason: "full" });
    }
    if (this.#explainAll()) for (const _ of goners) this.#tryDrop();
  }

  #onDamaged(order: number, after: Position, reason: string): void {
    this.#options.log.error("a part of the outbox cannot be read", { reason });
    const segment = this.#segments.from(order);
    if (segment?.order !== order) return;
    const from = segment.epoch === after.epoch ? Math.max(segment.first, after.seq + 1) : segment.first;
    const { epoch, last } = segment;
    try {
      this.#segments.roll();
    } catch (error) {
      this.#options.log.error("the outbox cannot be written", { reason: reasonOf(error) });
    }
    if (from <= last) this.#explain({ epoch, from, to: last }, "damaged");
  }

  #tryDrop(): boolean {
    try {
      this.#segments.dropOldest();
      return true;
    } catch (error) {
      this.#options.log.error("a file of the outbox cannot be removed", { dir: this.#dir, reason: reasonOf(error) });
      return false;
    }
  }

  #onAcked(): void {
    this.#dropAcked(this.#keepBytes);
    // Saved now and then: what is forgotten is sent twice, which the stream and the database notice.
    this.#cancelSave ??= this.#setTimer(ACKED_SAVE_MS, () => {
      this.#cancelSave = null;
      this.#saveAcked();
    });
  }

  #saveAcked(): void {
    const { acked, settled } = this.#sender;
    try {
      replaceFile(this.#dir, ACKED_FILE, `${acked.epoch} ${acked.seq} ${settled.epoch} ${settled.seq}\n`, false);
    } catch (error) {
      this.#options.log.debug("the acknowledged position is not saved", { reason: reasonOf(error) });
    }
  }
}

function readAcked(dir: string): Acked {
  let text = "";
  try {
    text = readFileSync(join(dir, ACKED_FILE), "utf8");
  } catch {
    // Not there yet, or not readable: all is sent again.
  }
  const match = /^(\d{1,16}) (\d{1,16})(?: (\d{1,16}) (\d{1,16}))?\n$/.exec(text);
  const [epoch = 0, seq = 0, ...settled] = (match ?? []).slice(1, match?.[3] === undefined ? 3 : 5).map(Number);
  // A version before this one did not tell them apart.
  const [settledEpoch = epoch, settledSeq = seq] = settled;
  return { acked: { epoch, seq }, settled: { epoch: settledEpoch, seq: settledSeq } };
}
