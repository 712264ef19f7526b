/**
 * The open sinks of an agent. Streams that say the same share one (`stdout_stream` and `stderr_stream` into one file,
 * several watchers, everything on stdout), so that lines stay whole and a file is rotated once. Closed when the last
 * has given it back and all is written.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { StreamConfig } from "../config/streams.ts";
import { FileTarget, type Rotation } from "./file-target.ts";
import { Pump } from "./pump.ts";
import type { Sink, Target } from "./sink.ts";
import { OutputQueue } from "./sinks/queue.ts";
import { SizeRotation } from "./sinks/size-rotation.ts";
import { StdoutTarget } from "./sinks/stdout.ts";
import { TimeRotation } from "./sinks/time-rotation.ts";

/** What is not written when a stream is closed is given up after so long. */
export const CLOSE_MS = 5000;
/** Between two looks whether a path still leads to its file. WatchedFileStream looks before each write. */
const CHECK_MS = 100;
/** A file that is rotated all the time is not told of all the time. */
const TELL_MS = 1000;

/** Whose stream it is, for events and messages; of a shared sink, who opened it. */
export interface StreamOwner {
  readonly watcher: string;
  readonly stream: "stdout" | "stderr";
  readonly log: Logger;
}

export interface RotationNote {
  readonly file: string;
  /** Null: it was emptied. */
  readonly movedTo: string | null;
  /** So many since the note before. */
  readonly rotations: number;
}

interface Entry {
  readonly sink: Sink;
  users: number;
}

export interface Lease {
  readonly sink: Sink;
  /** Settles when what was written is out. */
  release(): Promise<void>;
}

export class SinkPool {
  readonly #mend: (path: string) => void;
  readonly #tell: (owner: StreamOwner, note: RotationNote) => void;
  readonly #ownDevice: number | null;
  readonly #entries = new Map<string, Entry>();
  #lastOwn = 0;

  /**
   * @param ownDevice see {@link FileTarget}
   * @param mend called before a file is opened, and it need not be there
   */
  constructor(
    ownDevice: number | null,
    mend: (path: string) => void,
    tell: (owner: StreamOwner, note: RotationNote) => void,
  ) {
    this.#ownDevice = ownDevice;
    this.#mend = mend;
    this.#tell = tell;
  }

  /** @throws the system's error where the file cannot be opened */
  acquire(config: StreamConfig, owner: StreamOwner): Lease {
    const key = this.#keyOf(config);
    const entry = this.#entries.get(key) ?? { sink: this.#open(config, owner), users: 0 };
    this.#entries.set(key, entry);
    entry.users++;
    let isReleased = false;
    return {
      sink: entry.sink,
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        entry.users--;
        await entry.sink.flush(CLOSE_MS);
        // Somebody may have taken it up again meanwhile.
        if (entry.users > 0 || this.#entries.get(key) !== entry) return;
        this.#entries.delete(key);
        try {
          await entry.sink.close(CLOSE_MS);
        } catch (error) {
          owner.log.error("cannot close output", { reason: reasonOf(error) });
        }
      },
    };
  }

  /** All files are opened anew by name. */
  reopen(): void {
    for (const { sink } of this.#entries.values()) sink.reopen();
  }

  /** Same key, same place: the format of lines is no matter of the sink. */
  #keyOf({ class: name, filename, maxBytes, backupCount, rotation }: StreamConfig): string {
    if (name === "StdoutStream" || name === "FancyStdoutStream") return "stdout";
    if (name === "QueueStream" || filename === null) return `own ${++this.#lastOwn}`;
    return JSON.stringify([resolve(filename), name, maxBytes, backupCount, rotation]);
  }

  #open(config: StreamConfig, owner: StreamOwner): Sink {
    if (config.class === "QueueStream") return new OutputQueue();
    return new Pump(this.#target(config, owner), { log: owner.log });
  }

  #target(config: StreamConfig, owner: StreamOwner): Target {
    if (config.class === "StdoutStream" || config.class === "FancyStdoutStream") return new StdoutTarget();
    const path = resolve(config.filename ?? temporaryFile(owner));
    this.#mend(path);
    return FileTarget.open({
      path,
      rotation: rotationOf(config),
      checkEveryMs: config.class === "WatchedFileStream" ? 0 : CHECK_MS,
      ownDevice: this.#ownDevice,
      onRotated: this.#teller(path, owner),
      onRotationFailed: (error) => owner.log.error("cannot rotate log", { file: path, reason: reasonOf(error) }),
    });
  }

  #teller(file: string, owner: StreamOwner): (movedTo: string | null) => void {
    let rotations = 0;
    let toldMs = Number.NEGATIVE_INFINITY;
    return (movedTo) => {
      rotations++;
      const now = performance.now();
      if (now - toldMs < TELL_MS) return;
      this.#tell(owner, { file, movedTo, rotations });
      [rotations, toldMs] = [0, now];
    };
  }
}

function rotationOf({ maxBytes, backupCount, rotation }: StreamConfig): Rotation | null {
  if (rotation !== null) return new TimeRotation(rotation, backupCount);
  return maxBytes > 0 ? new SizeRotation(maxBytes, backupCount) : null;
}

function temporaryFile({ watcher, stream, log }: StreamOwner): string {
  const path = join(mkdtempSync(join(tmpdir(), "circus-")), `${stream}.log`);
  log.info("output goes to a temporary file", { watcher, stream, file: path });
  return path;
}
