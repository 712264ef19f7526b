/**
 * The outbox on disk: append-only files of JSON lines, one event a line, `EPOCH-FIRSTSEQ.jsonl`.
 *
 * Invariants: (1) inside a file the seqs have no holes; whoever loses an event starts a new file; (2) a file
 * ends with a newline, or what follows the last one is cut off when it is opened (a torn tail is normal);
 * (3) files are removed whole, oldest first.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { syncDirectory, writeAll } from "../durable-file.ts";
import { isLineOf } from "./line.ts";

const sync = promisify(fdatasync);
const NAME = /^(\d{1,16})-(\d{1,16})\.jsonl$/;
const NEWLINE = 10;

/** Names an event of this host. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** Order of events: by epoch, then seq. */
export function isAfter(a: Position, b: Position): boolean {
  return a.epoch !== b.epoch ? a.epoch > b.epoch : a.seq > b.seq;
}

/** Events that are gone, both ends included. */
export interface Lost {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

export interface Segment {
  /** Grows with every file; a dropped one's is never used again. */
  readonly order: number;
  readonly path: string;
  readonly epoch: number;
  readonly first: number;
  /** Below `first` while it is empty. */
  last: number;
  /** Length up to which it holds whole lines. */
  bytes: number;
}

export class Segments {
  readonly #dir: string;
  readonly #segmentBytes: number;
  readonly #list: Segment[] = [];
  readonly #torn: { readonly path: string; readonly bytes: number }[] = [];
  #orders = 0;
  #total = 0;
  /** The file that is written to; an object, since the system gives a number again at once. */
  #open: { readonly fd: number } | null = null;
  #isDirectoryDirty = false;

  private constructor(dir: string, segmentBytes: number) {
    this.#dir = dir;
    this.#segmentBytes = segmentBytes;
  }

  /**
   * Reads what is there. Torn tails are not read but stay on disk until `repair`, so that a crash before
   * their loss was recorded does not hide it.
   *
   * @returns also the events that torn tails show to be lost.
   * @throws the system's error where the directory cannot be read or written.
   */
  static open(dir: string, segmentBytes: number): { readonly segments: Segments; readonly torn: readonly Lost[] } {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const segments = new Segments(dir, segmentBytes);
    const torn: Lost[] = [];
    const found = readdirSync(dir)
      .map((name) => ({ name, match: NAME.exec(name) }))
      .flatMap(({ name, match }) =>
        match === null ? [] : [{ name, epoch: Number(match[1]), first: Number(match[2]) }],
      )
      .sort((a, b) => a.epoch - b.epoch || a.first - b.first);
    for (const { name, epoch, first } of found) {
      const lost = segments.#recover(join(dir, name), epoch, first);
      if (lost !== null) torn.push(lost);
    }
    return { segments, torn };
  }

  /** Cuts torn tails off. */
  repair(): void {
    for (const { path, bytes } of this.#torn.splice(0)) {
      if (bytes === 0) unlinkSync(path);
      else truncateSync(path, bytes);
    }
  }

  get list(): readonly Segment[] {
    return this.#list;
  }
  get totalBytes(): number {
    return this.#total;
  }
  /** The greatest epoch on disk; 0 without any. */
  get lastEpoch(): number {
    return this.#list.at(-1)?.epoch ?? 0;
  }

  /**
   * Adds one line; what could be written of it is taken back on failure.
   *
   * @throws the system's error, e.g. ENOSPC.
   */
  append(epoch: number, seq: number, line: Buffer): void {
    let segment = this.#list.at(-1);
    const isOpen = this.#open !== null && segment?.epoch === epoch && segment.last === seq - 1;
    if (segment === undefined || !isOpen || segment.bytes >= this.#segmentBytes) segment = this.#start(epoch, seq);
    const fd = this.#open?.fd;
    if (fd === undefined) throw new Error("no segment is open");
    try {
      writeAll(fd, line);
    } catch (error) {
      this.#undo(fd, segment.bytes);
      throw error;
    }
    segment.bytes += line.length;
    segment.last = seq;
    this.#total += line.length;
  }

  /** Ends the open file; the next event starts another. */
  roll(): void {
    if (this.#open === null) return;
    const { fd } = this.#open;
    this.#open = null;
    try {
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const segment = this.#list.at(-1);
    if (segment?.bytes === 0) this.#remove(segment);
  }

  /** Waits until all that was appended is on disk. */
  async sync(): Promise<void> {
    const open = this.#open;
    if (open !== null) {
      await sync(open.fd).catch((error: unknown) => {
        if (this.#open === open) throw error; // else `roll` has synced and closed it meanwhile
      });
    }
    if (this.#isDirectoryDirty) {
      this.#isDirectoryDirty = false;
      syncDirectory(this.#dir);
    }
  }

  /** The same at once, for what must be durable before something else is given up. @throws the system's error. */
  syncNow(): void {
    if (this.#open !== null) fdatasyncSync(this.#open.fd);
    if (this.#isDirectoryDirty) syncDirectory(this.#dir);
    this.#isDirectoryDirty = false;
  }

  /** Removes the oldest file. */
  dropOldest(): void {
    const oldest = this.#list[0];
    if (oldest === undefined) return;
    if (this.#list.length === 1) this.roll();
    if (this.#list[0] === oldest) this.#remove(oldest);
  }

  /** The first file at or behind that place in the order; null where there is none yet. */
  from(order: number): Segment | null {
    return this.#list.find((segment) => segment.order >= order) ?? null;
  }

  close(): void {
    this.roll();
  }

  #start(epoch: number, seq: number): Segment {
    this.roll();
    const path = join(this.#dir, `${epoch}-${seq}.jsonl`);
    this.#open = { fd: openSync(path, "ax", 0o600) };
    this.#isDirectoryDirty = true;
    const segment: Segment = { order: this.#orders++, path, epoch, first: seq, last: seq - 1, bytes: 0 };
    this.#list.push(segment);
    return segment;
  }

  /** Takes back half a line; a file that will not have it is left, and read only up to its whole lines. */
  #undo(fd: number, bytes: number): void {
    try {
      ftruncateSync(fd, bytes);
    } catch {
      closeSync(fd);
      this.#open = null;
    }
  }

  #remove(segment: Segment): void {
    unlinkSync(segment.path);
    this.#list.splice(this.#list.indexOf(segment), 1);
    this.#total -= segment.bytes;
  }

  #recover(path: string, epoch: number, first: number): Lost | null {
    const data = readFileSync(path);
    let good = 0;
    let next = first;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, good)) {
      if (!isLineOf(data.subarray(good, end), epoch, next)) break;
      good = end + 1;
      next++;
    }
    const rest = data.subarray(good);
    if (rest.length > 0 || good === 0) this.#torn.push({ path, bytes: good });
    if (good > 0) {
      this.#list.push({ order: this.#orders++, path, epoch, first, last: next - 1, bytes: good });
      this.#total += good;
    }
    // Each piece between newlines was an event once, however little is left of it.
    const pieces = rest
      .toString("latin1")
      .split("\n")
      .filter((piece) => piece !== "").length;
    return rest.length === 0 ? null : { epoch, from: next, to: next + pieces - 1 };
  }
}
