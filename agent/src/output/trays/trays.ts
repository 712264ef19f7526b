/**
 * Where the output of a process lies from the moment at which the kernel takes it out of the FIFO until it is in its
 * sink: in memory that outlives the agent. So an agent that is killed between the two loses no line, and the next one
 * does not write it twice.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { tryUnlink, writeAll } from "../../durable-file.ts";
import { lineEnds } from "../lines.ts";
import { type Extent, type LeftBytes, leftIn, TRAY_BYTES, TrayImage } from "./layout.ts";
import { mapShared } from "./map.ts";

/** The kernel's own memory as a file system: nothing there waits for a disk. */
const MEMORY = "/dev/shm";
/** With the number of the layout: an agent leaves alone what another version laid out otherwise. */
const PREFIX = "circus-output1-";
/** A file: a page with the directory of its FIFOs (see {@link headOf}), then trays. */
const HEAD_BYTES = 4096;
const TRAYS_PER_FILE = 16;
const NEWLINE = 0x0a;
const FILE_BYTES = HEAD_BYTES + TRAY_BYTES * TRAYS_PER_FILE;

/** One FIFO's, of this agent. */
export interface Tray {
  readonly image: TrayImage;
  /** It is not needed any more, and nothing reads into it. Once. */
  release(): void;
}

/** One FIFO's, of an agent before. */
export interface LeftTray extends LeftBytes {
  /** What was in it is out, or in another tray. */
  forget(): void;
}

export class Trays {
  readonly #dir: string;
  readonly #prefix: string;
  readonly #log: Logger;
  /** By the name of the FIFO. */
  readonly #left = new Map<string, LeftTray>();
  readonly #old: readonly string[];
  readonly #files: string[] = [];
  readonly #free: Uint8Array[] = [];
  #isUsable = true;

  /** @param dir where the FIFOs are, of this agent alone */
  constructor(dir: string, log: Logger) {
    this.#dir = realpathSync(dir);
    this.#log = log;
    const { dev, ino } = statSync(dir, { bigint: true });
    this.#prefix = `${PREFIX}${dev.toString(36)}-${ino.toString(36)}-`;
    this.#old = filesOf(this.#prefix);
    for (const file of this.#old) this.#look(file);
    removeOrphans();
  }

  /** What an agent before us had taken out of a FIFO. */
  leftOf(path: string): LeftTray | null {
    return this.#left.get(basename(path)) ?? null;
  }

  /**
   * To be called before anything is added to a file. An agent before us may have been killed when a part of a line was in
   * it (the kernel ends a write between two pages then): that is taken out again, since the whole line will be written.
   */
  mend(path: string): void {
    for (const { write } of this.#left.values()) {
      if (write !== null && write.to !== null) withoutPart(path, write.to);
    }
  }

  /** Null: there is none, and a kill at the wrong moment loses what was read. */
  take(path: string): Tray | null {
    const memory = this.#free.pop() ?? this.#more();
    if (memory === null) return null;
    const image = new TrayImage(memory);
    image.begin(basename(path));
    return {
      image,
      release: () => {
        image.clear();
        this.#free.push(memory);
      },
    };
  }

  /** All that agents before us left has been taken up. */
  forgetOld(): void {
    this.#left.clear();
    for (const file of this.#old) tryUnlink(file);
  }

  /** Everything is where it belongs. The memory stays mapped, for reads that are under way. */
  close(): void {
    for (const file of this.#files) tryUnlink(file);
  }

  #look(file: string): void {
    const bytes = readOwn(file);
    for (let at = HEAD_BYTES; at + TRAY_BYTES <= bytes.length; at += TRAY_BYTES) {
      const found = leftIn(bytes.subarray(at, at + TRAY_BYTES));
      if (found === null) continue;
      const forget = (): void => {
        this.#left.delete(found.fifo);
        blank(file, at);
      };
      this.#left.set(found.fifo, { ...found.left, forget });
    }
  }

  #more(): Uint8Array | null {
    if (!this.#isUsable) return null;
    try {
      const file = join(MEMORY, `${this.#prefix}${randomBytes(6).toString("hex")}`);
      const memory = mapNew(file, this.#dir);
      this.#files.push(file);
      for (let at = HEAD_BYTES; at < memory.length; at += TRAY_BYTES)
        this.#free.push(memory.subarray(at, at + TRAY_BYTES));
    } catch (error) {
      this.#isUsable = false;
      this.#log.debug("a kill of circusd may lose lines that are being written", { reason: reasonOf(error) });
    }
    return this.#free.pop() ?? null;
  }
}

/** @throws the system's error where it is there already, there is no room … */
function mapNew(path: string, dir: string): Uint8Array {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    // With zeros, so that there is room for all of it: a page that cannot be had later would end the agent.
    writeAll(fd, Buffer.concat([headOf(dir), Buffer.alloc(FILE_BYTES - HEAD_BYTES)]));
    return mapShared(fd, FILE_BYTES);
  } catch (error) {
    tryUnlink(path);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** What agents left whose state directory is no more. */
function removeOrphans(): void {
  for (const file of filesOf(PREFIX)) {
    const head = readOwn(file, HEAD_BYTES);
    const dir = head.subarray(head.indexOf(" ") + 1, Math.max(0, head.indexOf(0))).toString();
    if (dir !== "" && head.equals(headOf(dir)) && !existsSync(dir)) tryUnlink(file);
  }
}

/** A directory has its name in one mount namespace only. */
function headOf(dir: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(`${readlinkSync("/proc/self/ns/mnt")} ${dir}`, 0, HEAD_BYTES - 1);
  return head;
}

function filesOf(prefix: string): readonly string[] {
  try {
    const names = readdirSync(MEMORY).filter((name) => name.startsWith(prefix));
    return names.map((name) => join(MEMORY, name));
  } catch {
    return [];
  }
}

/** Everybody may make files there: one that is not ours says nothing. */
function readOwn(path: string, length = FILE_BYTES): Buffer {
  const bytes = withFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK, (fd) => {
    const { uid, size } = fstatSync(fd);
    const isOurs = uid === process.geteuid?.() && size === FILE_BYTES;
    return readAt(fd, 0, isOurs ? length : 0);
  });
  return bytes ?? Buffer.alloc(0);
}

/** How many lines end in a part of a file; 0 where it cannot be read. */
export function linesIn(path: string, part: Extent): number {
  return lineEnds(partOf(path, part));
}

/** The file is cut after the last line that ends in its part, where not all of that was written. */
function withoutPart(path: string, to: Extent): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.ino !== to.inode || !stats.isFile()) return;
  const length = stats.size - to.size;
  if (length <= 0 || length >= to.length) return;
  const end = partOf(path, { ...to, length }).lastIndexOf(NEWLINE) + 1;
  try {
    if (end < length) truncateSync(path, to.size + end);
  } catch {
    // a line in two pieces then
  }
}

/** Nothing where it cannot be read. */
function partOf(path: string, { size: from, length }: Extent): Buffer {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  return withFile(path, flags, (fd) => readAt(fd, from, length)) ?? Buffer.alloc(0);
}

function readAt(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, from));
}

/** That tray of an agent before is nobody's; if that fails, only a second kill before the file is removed would find it. */
function blank(path: string, at: number): void {
  withFile(path, constants.O_WRONLY | constants.O_NOFOLLOW, (fd) => writeSync(fd, Buffer.alloc(1), 0, 1, at));
}

/** Null: it cannot be opened, or not be used so. */
function withFile<T>(path: string, flags: number, use: (fd: number) => T): T | null {
  try {
    const fd = openSync(path, flags);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}
