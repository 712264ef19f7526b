/**
 * A file that output is appended to. It is opened anew when its path no longer leads to it (an outside logrotate
 * has moved it away, or removed it), and rotated by the rule of its stream class. Only regular files are.
 */
import {
  close,
  constants,
  fstat,
  fstatSync,
  ftruncate,
  open,
  openSync,
  type Stats,
  stat,
  statSync,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import type { BeforeWrite, Target } from "./sink.ts";
import type { Place } from "./trays/layout.ts";

const call = {
  close: promisify(close),
  fstat: promisify(fstat),
  ftruncate: promisify(ftruncate),
  open: promisify(open),
  stat: promisify(stat),
  write: promisify(write) as (fd: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }>,
};

// Non-blocking: a FIFO that nobody reads is an error, not a wait without end.
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
const MODE = 0o666;
/** After a rotation that failed the file goes on growing for so long. */
const ROTATE_PAUSE_MS = 10_000;
/** So much is written at once, where it may be: what one read can bring. */
const NOW_BYTES_MAX = 1024 * 1024;
/** A disk that took so long (and it was not just the CPU that was busy) is left to other threads for a while. */
const SLOW_MS = 100;
const SLOW_PAUSE_MS = 5000;
const NEWLINE = 0x0a;
const ignore: BeforeWrite = () => undefined;

/** What a {@link Rotation} sees of the file. */
export interface FileState {
  readonly size: number;
  /** Its last byte ended a line, or there is none. */
  readonly isAtLineStart: boolean;
}

/** When a file is full, and what becomes of it then. */
export interface Rotation {
  /** How many of the bytes may still go into the file; 0: rotate first. */
  admit(bytes: Buffer, file: FileState): number;
  /** The file was opened: it begins here. */
  opened(stats: Stats): void;
  /**
   * Moves the file away and resolves with its new name; null: it is to be emptied.
   *
   * @param isNear it is on the device that this thread waits for anyway: a long row of files need not go through others
   */
  rotate(path: string, isNear: boolean): Promise<string | null>;
}

export interface FileTargetOptions {
  readonly path: string;
  /** Null: the file grows. */
  readonly rotation: Rotation | null;
  /** Between two looks at whether the path still leads to the file; 0: before each write. */
  readonly checkEveryMs: number;
  /**
   * The device that this thread waits for anyway, since the agent's own state is there: what is on it is written at
   * once. Null: there is none.
   */
  readonly ownDevice: number | null;
  readonly onRotated?: (movedTo: string | null) => void;
  readonly onRotationFailed?: (error: unknown) => void;
  /** Monotonic. */
  readonly now?: () => number;
}

export class FileTarget implements Target {
  readonly name: string;
  readonly begunAt: Place | null;
  readonly #options: FileTargetOptions;
  readonly #now: () => number;
  #fd: number | null = null;
  #stats: Stats | null = null;
  #size = 0;
  #isAtLineStart = true;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #noRotationBeforeMs = Number.NEGATIVE_INFINITY;
  #notNowBeforeMs = Number.NEGATIVE_INFINITY;

  private constructor(options: FileTargetOptions, fd: number) {
    this.name = options.path;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#take(fd, fstatSync(fd));
    this.begunAt = this.#place();
  }

  /** @throws the system's error: its directory does not exist, it may not be written … */
  static open(options: FileTargetOptions): FileTarget {
    return new FileTarget(options, openSync(options.path, FLAGS, MODE));
  }

  async write(bytes: Buffer, before: BeforeWrite = ignore): Promise<number> {
    await this.#check();
    const { rotation } = this.#options;
    if (rotation === null || !this.#mayRotate()) return await this.#append(bytes, before);
    let admitted = rotation.admit(bytes, { size: this.#size, isAtLineStart: this.#isAtLineStart });
    if (admitted === 0) {
      await this.#rotate(rotation);
      // An empty file takes something, or the rotation failed and it has to.
      admitted = rotation.admit(bytes, { size: this.#size, isAtLineStart: this.#isAtLineStart }) || bytes.length;
    }
    return await this.#append(admitted < bytes.length ? bytes.subarray(0, admitted) : bytes, before);
  }

  writeNow(bytes: Buffer, before: BeforeWrite = ignore): number {
    const { rotation } = this.#options;
    const fd = this.#fd;
    const begunMs = this.#now();
    if (fd === null || bytes.length > NOW_BYTES_MAX || !this.#isNear(begunMs) || !this.#isInPlace(begunMs)) return 0;
    const state = { size: this.#size, isAtLineStart: this.#isAtLineStart };
    if (rotation !== null && rotation.admit(bytes, state) < bytes.length) return 0;
    this.#tell(before);
    const written = writeSync(fd, bytes);
    this.#count(bytes, written);
    this.#noteSlow(begunMs);
    return written;
  }

  reopen(): void {
    this.#checkedMs = Number.NEGATIVE_INFINITY;
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) await call.close(fd);
  }

  #mayRotate(): boolean {
    return this.#stats?.isFile() === true && this.#now() >= this.#noRotationBeforeMs;
  }

  async #append(bytes: Buffer, before: BeforeWrite): Promise<number> {
    if (this.#fd === null) throw new Error("the file is closed");
    this.#tell(before);
    const { bytesWritten } = await call.write(this.#fd, bytes);
    this.#count(bytes, bytesWritten);
    return bytesWritten;
  }

  /** This thread may wait for it. */
  #isNear(nowMs: number): boolean {
    const stats = this.#stats;
    return stats?.isFile() === true && stats.dev === this.#options.ownDevice && nowMs >= this.#notNowBeforeMs;
  }

  #noteSlow(begunMs: number): void {
    if (this.#now() - begunMs > SLOW_MS) this.#notNowBeforeMs = begunMs + SLOW_PAUSE_MS;
  }

  #place(): Place | null {
    return this.#stats?.isFile() === true ? { inode: this.#stats.ino, size: this.#size } : null;
  }

  #tell(before: BeforeWrite): void {
    const place = this.#place();
    if (place !== null) before(place);
  }

  #count(bytes: Buffer, written: number): void {
    this.#size += written;
    if (written > 0) this.#isAtLineStart = bytes[written - 1] === NEWLINE;
  }

  /** False: it is to be opened anew first. */
  #isInPlace(now: number): boolean {
    if (now - this.#checkedMs < this.#options.checkEveryMs) return true;
    const named = statSync(this.name, { throwIfNoEntry: false });
    if (named === undefined || !isSame(named, this.#stats)) return false;
    this.#size = named.size;
    this.#checkedMs = now;
    return true;
  }

  /** Others may write to it too: its size is read from time to time. */
  async #check(): Promise<void> {
    if (this.#fd !== null && this.#now() - this.#checkedMs < this.#options.checkEveryMs) return;
    if (this.#fd !== null && this.#stats?.isFile() === false) return;
    const named = await call.stat(this.name).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    });
    if (this.#fd !== null && named !== null && isSame(named, this.#stats)) this.#size = named.size;
    else await this.#open();
    this.#checkedMs = this.#now();
  }

  /** The new one first: where it cannot be opened, the old one stays. */
  async #open(): Promise<void> {
    const fd = await call.open(this.name, FLAGS, MODE);
    let stats: Stats;
    try {
      stats = await call.fstat(fd);
    } catch (error) {
      await call.close(fd);
      throw error;
    }
    await this.close();
    this.#take(fd, stats);
  }

  #take(fd: number, stats: Stats): void {
    this.#fd = fd;
    this.#stats = stats;
    this.#size = stats.size;
    this.#isAtLineStart = true;
    this.#options.rotation?.opened(stats);
  }

  async #rotate(rotation: Rotation): Promise<void> {
    const begunMs = this.#now();
    const isNear = this.#isNear(begunMs);
    try {
      const movedTo = await rotation.rotate(this.name, isNear);
      if (isNear) this.#noteSlow(begunMs);
      if (movedTo === null && this.#fd !== null) {
        await call.ftruncate(this.#fd, 0);
        this.#size = 0;
        this.#isAtLineStart = true;
      } else await this.#open();
      this.#options.onRotated?.(movedTo);
    } catch (error) {
      this.#noRotationBeforeMs = this.#now() + ROTATE_PAUSE_MS;
      this.#options.onRotationFailed?.(error);
    }
  }
}

function isSame(a: Stats, b: Stats | null): boolean {
  return a.ino === b?.ino && a.dev === b.dev;
}
