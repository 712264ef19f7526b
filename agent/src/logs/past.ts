/** The last lines of a stream from its files, a page at a time, from the end on; no file is read further than wanted. */
import type { FileHandle } from "node:fs/promises";
import type { LogLine, LogStream, Millis } from "@circus-cluster/proto";
import { BackwardLines } from "./backward.ts";
import { type LogFile, logFiles, openLogFile } from "./files.ts";
import type { LineReader } from "./line-time.ts";
import { LINE_BYTES } from "./text.ts";

const BLOCK_BYTES = 64 * 1024;
/** Of one page, about: an answer has to fit into one message, with what JSON makes of it. */
const PAGE_BYTES = 128 * 1024;
/** A file may be rotated between the look for its name and its opening. */
const ATTEMPTS = 3;

/** Where lines end that are wanted: in this file at this offset. */
export interface Place {
  readonly inode: bigint;
  readonly offset: number;
}

export interface PastWanted {
  readonly path: string;
  readonly stream: LogStream | null;
  readonly reader: LineReader;
  readonly lines: number;
  readonly since: Millis | null;
  /** Null: from the end. */
  readonly before: Place | null;
}

export interface Page {
  readonly lines: readonly LogLine[];
  readonly before: Place | null;
}

export function placeText({ inode, offset }: Place): string {
  return `${inode}.${offset}`;
}

/** Null for what is none. */
export function parsePlace(text: string): Place | null {
  const [, inode, offset] = /^(\d{1,20})\.(\d{1,15})$/.exec(text) ?? [];
  return inode === undefined ? null : { inode: BigInt(inode), offset: Number(offset) };
}

/** @throws the system's error: EACCES … */
export async function readPast(wanted: PastWanted): Promise<Page> {
  for (let attempt = 1; ; attempt++) {
    const page = await new PastReader(wanted).read(await logFiles(wanted.path));
    if (page !== null || attempt === ATTEMPTS) return page ?? { lines: [], before: null };
  }
}

class PastReader {
  readonly #wanted: PastWanted;
  /** Newest first. */
  readonly #lines: LogLine[] = [];
  #bytes = 0;
  #before: Place | null = null;
  #isDone = false;

  constructor(wanted: PastWanted) {
    this.#wanted = wanted;
  }

  /** @returns null where a file has another name by now, and nothing was read yet */
  async read(files: readonly LogFile[]): Promise<Page | null> {
    const { before, since } = this.#wanted;
    const first = before === null ? 0 : files.findIndex(({ stats }) => stats.ino === before.inode);
    for (const [index, log] of first < 0 ? [] : files.slice(first).entries()) {
      if (this.#isDone) break;
      // Nothing was written to it since then.
      if (since !== null && Number(log.stats.mtimeMs) < since) break;
      const file = await openLogFile(log);
      if (file === null) {
        if (this.#lines.length === 0) return null;
        continue;
      }
      try {
        const size = (await file.stat()).size;
        const end = index === 0 && before !== null ? Math.min(before.offset, size) : size;
        await this.#readFile(file, log.stats.ino, end);
      } finally {
        await file.close();
      }
    }
    return { lines: this.#lines.reverse(), before: this.#before };
  }

  async #readFile(file: FileHandle, inode: bigint, end: number): Promise<void> {
    const backward = new BackwardLines(end);
    const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(1, end)));
    for (let at = end; at > 0; ) {
      const length = Math.min(block.length, at);
      const { bytesRead } = await file.read(block, 0, length, at - length);
      if (bytesRead < length) return; // emptied meanwhile
      at -= length;
      const lines = backward.push(block.subarray(0, length));
      const rest = at === 0 ? backward.rest() : null;
      for (const line of rest === null ? lines : [...lines, rest]) {
        if (this.#take(line.text, inode, line.offset)) return;
      }
    }
  }

  /** @returns true: no more is wanted */
  #take(text: string, inode: bigint, offset: number): boolean {
    const { reader, since, stream, lines } = this.#wanted;
    const { time, pid, line } = reader.read(text);
    if (since !== null && time !== null && time < since) {
      this.#before = null;
      this.#isDone = true;
      return true;
    }
    this.#lines.push({ stream, pid, time, line });
    this.#bytes += line.length + LINE_BYTES;
    if (this.#lines.length < lines && this.#bytes < PAGE_BYTES) return false;
    this.#before = { inode, offset };
    this.#isDone = true;
    return true;
  }
}
