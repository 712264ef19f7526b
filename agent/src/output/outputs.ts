/**
 * The captured output of all watchers (reference §4): pipes for new processes, one channel per stream of a watcher.
 * A channel is opened by the first process and closed when its watcher is stopped; a restart keeps it.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { OWN_STDOUT, type StreamConfig } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { EventBus } from "../events/api.ts";
import { Followers } from "../logs/followers.ts";
import { close } from "../sockets/syscalls.ts";
import type { Capture, Keeping } from "./capture.ts";
import { Channel } from "./channel.ts";
import { type FifoDir, openFifos, type StreamName, watcherToken } from "./fifo-dir.ts";
import { type OpenOutput, openOutput } from "./pipe.ts";
import { SinkPool } from "./sink-pool.ts";
import { OutputQueue } from "./sinks/queue.ts";
import { Trays } from "./trays/trays.ts";

const STREAMS = ["stdout", "stderr"] as const;

/** Paths; null: no stream, or a pipe that goes with the agent. */
export interface OutputFifos {
  readonly stdout: string | null;
  readonly stderr: string | null;
}

/** For one process, from before its spawn to its end. */
export interface ProcessOutputs {
  /** A descriptor for the process, or its kind. */
  readonly stdout: number | "inherit" | "ignore";
  readonly stderr: number | "inherit" | "ignore";
  /** FIFOs that outlive this agent, for {@link Outputs.adopt} by the next. */
  readonly fifos: OutputFifos;
  /** It runs, and has its own copies of the descriptors. */
  readonly begin: (pid: number) => void;
  /** It could not be started. */
  readonly abandon: () => void;
  /** It has gone: all that it wrote is taken before this returns. */
  readonly exited: () => void;
}

type Prepared =
  | { readonly ok: true; readonly outputs: ProcessOutputs }
  | { readonly ok: false; readonly reason: string };

interface Part {
  readonly channel: Channel;
  readonly pipe: OpenOutput;
  capture: Capture | null;
}

/** Of output whose process nobody knows any more. */
const NO_PID = 0;

/** The end of a stream's file. */
export interface LogEnd {
  /** 0: there is no file yet. */
  readonly inode: bigint;
  readonly offset: number;
  /** False: something that was read from processes is not in it yet. */
  readonly isWritten: boolean;
}

export class Outputs {
  readonly followers = new Followers({ wall: () => Date.now(), monotonic: () => performance.now() });
  readonly #log: Logger;
  readonly #fifos: FifoDir | null;
  readonly #trays: Trays | null;
  /** Who reads no more leaves the FIFO to the next agent. */
  #isLeft = false;
  readonly #pool: SinkPool;
  /** By watcher and stream. */
  readonly #channels = new Map<string, Channel>();
  /** Of watchers that are no more, whose processes run on. */
  readonly #left = new Set<Channel>();
  /** By watcher: settles when nothing of it is left to write. */
  readonly #closing = new Map<string, Promise<void>>();

  /** @param stateDir where FIFOs are; null: pipes, which end with the agent */
  constructor(bus: Pick<EventBus, "emit">, log: Logger, stateDir: string | null = null) {
    this.#log = log;
    this.#fifos = openFifos(stateDir, log);
    this.#trays = this.#fifos === null ? null : new Trays(this.#fifos.dir, log);
    this.#pool = new SinkPool(
      this.#fifos?.device ?? null,
      (path) => this.#trays?.mend(path),
      ({ watcher, stream, log: own }, { file, movedTo, rotations }) => {
        own.debug("log rotated", { stream, file, rotations });
        bus.emit({ kind: "log_rotated", watcher, data: { stream, file, moved_to: movedTo, rotations } });
      },
    );
  }

  /** One line where a file cannot be opened: then nothing stays open that was not before. */
  prepare(config: WatcherConfig, wid: number): Prepared {
    const parts: Partial<Record<StreamName, Part>> = {};
    const abandon = (): void => {
      for (const { pipe } of Object.values(parts)) {
        close(pipe.readEnd);
        close(pipe.writeEnd);
        this.#remove(pipe.path);
      }
    };
    for (const stream of STREAMS) {
      const wanted = streamOf(config, stream);
      if (wanted === null) continue;
      try {
        const channel = this.#channel(config.name, stream, wanted);
        const pipe = openOutput(this.#fifos, { watcher: config.name, wid, stream }, this.#log);
        parts[stream] = { channel, pipe, capture: null };
      } catch (error) {
        abandon();
        return { ok: false, reason: `${stream}_stream: ${openProblem(wanted, error)}` };
      }
    }
    const all = Object.values(parts);
    return {
      ok: true,
      outputs: {
        stdout: parts.stdout?.pipe.writeEnd ?? (config.closeChildStdout ? "ignore" : "inherit"),
        stderr: parts.stderr?.pipe.writeEnd ?? (config.closeChildStderr ? "ignore" : "inherit"),
        fifos: { stdout: parts.stdout?.pipe.path ?? null, stderr: parts.stderr?.pipe.path ?? null },
        abandon,
        begin: (pid) => {
          for (const part of all) {
            close(part.pipe.writeEnd);
            part.capture = this.#attach(part.channel, part.pipe.readEnd, pid, part.pipe.path);
          }
        },
        exited: () => {
          for (const { channel, capture } of all) if (capture !== null) channel.exited(capture);
        },
      },
    };
  }

  /**
   * Goes on with the output of a living process that an agent before us started, from where that one left off: what it
   * had not read is still in the FIFO. A stream that the configuration no longer has goes where it would go without.
   *
   * @param fifos as `ProcessOutputs.fifos` told then
   * @returns to be called at its end, as `ProcessOutputs.exited`
   */
  adopt(config: WatcherConfig, pid: number, fifos: OutputFifos): () => void {
    const ends = STREAMS.flatMap((stream) => {
      const path = fifos[stream];
      return path === null
        ? []
        : [this.#reopen(config.name, stream, path, pid, streamOf(config, stream) ?? OWN_STDOUT)];
    });
    return () => {
      for (const end of ends) end();
    };
  }

  /**
   * What agents before us left and nobody has adopted: it goes to its watcher's sink, and on while others than the
   * process that it was made for hold it. What has no sink any more is removed. Call it once, after the last `adopt`.
   *
   * @param isKept whether a watcher's files stay open: it is to run
   */
  sweep(configs: readonly WatcherConfig[], isKept: (watcher: string) => boolean): void {
    const byToken = new Map(configs.map((config) => [watcherToken(config.name), config]));
    for (const { path, token, stream } of this.#fifos?.leftovers() ?? []) {
      const config = byToken.get(token);
      const wanted = config === undefined ? null : streamOf(config, stream);
      if (config === undefined || wanted === null) this.#remove(path);
      else this.#reopen(config.name, stream, path, NO_PID, wanted)();
    }
    this.#trays?.forgetOld();
    for (const { name } of configs) if (!isKept(name)) this.rest(name);
  }

  /** @returns to be called at the process' end */
  #reopen(watcher: string, stream: StreamName, path: string, pid: number, wanted: StreamConfig): () => void {
    try {
      const channel = this.#channelOr(watcher, stream, wanted);
      const readEnd = this.#fifos?.reopen(path);
      if (readEnd === undefined) return () => undefined;
      const capture = this.#attach(channel, readEnd, pid, path);
      return () => channel.exited(capture);
    } catch (error) {
      this.#log.error("cannot read the output of a process any more", { watcher, stream, reason: reasonOf(error) });
      return () => undefined;
    }
  }

  /** A process that runs already must not wait for ever for a file that cannot be opened. */
  #channelOr(watcher: string, stream: StreamName, wanted: StreamConfig): Channel {
    try {
      return this.#channel(watcher, stream, wanted);
    } catch (error) {
      const reason = `${stream}_stream: ${openProblem(wanted, error)}`;
      this.#log.error("output goes to circusd's stdout", { watcher, reason });
      return this.#channel(watcher, stream, OWN_STDOUT);
    }
  }

  #attach(channel: Channel, readEnd: number, pid: number, path: string | null): Capture {
    return channel.attach(readEnd, pid, this.#keeping(path), () => this.#remove(path));
  }

  #keeping(path: string | null): Keeping | null {
    if (path === null || this.#fifos === null) return null;
    const [tray, left] = [this.#trays?.take(path) ?? null, this.#trays?.leftOf(path) ?? null];
    return { rest: this.#fifos.restOf(path), tray, left };
  }

  #remove(path: string | null): void {
    if (path !== null && !this.#isLeft) this.#fifos?.remove(path);
  }

  /** Whether a stream could be opened as it is configured; one line where not. */
  problemOf(config: WatcherConfig): string | null {
    for (const stream of STREAMS) {
      const wanted = streamOf(config, stream);
      if (wanted === null) continue;
      try {
        void this.#pool.acquire(wanted, this.#owner(config.name, stream)).release();
      } catch (error) {
        return `${stream}_stream: ${openProblem(wanted, error)}`;
      }
    }
    return null;
  }

  /** The configuration of a watcher has changed: where it writes now, it writes there from now on. */
  configure(config: WatcherConfig): void {
    for (const stream of STREAMS) {
      const channel = this.#channels.get(keyOf(config.name, stream));
      const wanted = streamOf(config, stream);
      if (channel === undefined || wanted === null) continue;
      try {
        channel.configure(wanted);
      } catch (error) {
        this.#log.error("output goes on as before", {
          watcher: config.name,
          reason: `${stream}_stream: ${openProblem(wanted, error)}`,
        });
      }
    }
  }

  /** A watcher is stopped: its files are closed when all is written. */
  rest(watcher: string): void {
    const closing: Promise<void>[] = [];
    for (const stream of STREAMS) {
      const key = keyOf(watcher, stream);
      const channel = this.#channels.get(key);
      if (channel === undefined) continue;
      this.#channels.delete(key);
      closing.push(channel.close(this.#isLeft));
    }
    if (closing.length === 0) return;
    const all: Promise<void> = Promise.all([this.#closing.get(watcher), ...closing]).then(() => {
      if (this.#closing.get(watcher) === all) this.#closing.delete(watcher);
    });
    this.#closing.set(watcher, all);
  }

  /** A watcher is no more, but its processes run on: what they write goes where it went until the last of them ends. */
  leave(watcher: string): void {
    for (const stream of STREAMS) {
      const key = keyOf(watcher, stream);
      const channel = this.#channels.get(key);
      if (channel === undefined) continue;
      this.#channels.delete(key);
      this.#left.add(channel);
      void channel.idle().then(async () => {
        if (this.#left.delete(channel)) await channel.close();
      });
    }
  }

  /** Settles when what a stopped watcher's processes wrote is in its files. */
  async atRest(watcher: string): Promise<void> {
    await this.#closing.get(watcher);
  }

  /** Where a stream that goes to a file goes; null: to a temporary one that is not open. */
  fileOf(config: WatcherConfig, stream: StreamName): string | null {
    const filename = streamOf(config, stream)?.filename ?? null;
    if (filename !== null) return resolve(filename);
    return this.#channels.get(keyOf(config.name, stream))?.sink.name ?? null;
  }

  /** Where that ends at this moment. */
  endOf(config: WatcherConfig, stream: StreamName): LogEnd {
    const file = this.fileOf(config, stream);
    const stats = file === null ? undefined : statSync(file, { bigint: true, throwIfNoEntry: false });
    const { isWritten = true } = this.#channels.get(keyOf(config.name, stream))?.sink ?? {};
    return { inode: stats?.ino ?? 0n, offset: Number(stats?.size ?? 0), isWritten };
  }

  /** The queue of a running watcher's QueueStream; null: it has none. */
  queueOf(watcher: string, stream: StreamName): OutputQueue | null {
    const sink = this.#channels.get(keyOf(watcher, stream))?.sink;
    return sink instanceof OutputQueue ? sink : null;
  }

  /** Files that were moved away are made anew (SIGUSR1). */
  reopen(): void {
    this.#pool.reopen();
  }

  /**
   * Settles when everything is written, or given up.
   *
   * @param isLeft processes live on: their FIFOs stay for the next agent
   */
  async close(isLeft = false): Promise<void> {
    this.#isLeft = isLeft;
    this.followers[Symbol.dispose]();
    for (const key of [...this.#channels.keys()]) this.rest(watcherOf(key));
    const left = [...this.#left];
    this.#left.clear();
    await Promise.all([...this.#closing.values(), ...left.map((channel) => channel.close(isLeft))]);
    this.#trays?.close();
  }

  #channel(watcher: string, stream: StreamName, wanted: StreamConfig): Channel {
    const key = keyOf(watcher, stream);
    const channel = this.#channels.get(key) ?? this.#newChannel(watcher, stream, wanted);
    channel.configure(wanted);
    this.#channels.set(key, channel);
    return channel;
  }

  #newChannel(watcher: string, stream: StreamName, wanted: StreamConfig): Channel {
    const onBytes = (bytes: Buffer, pid: number): void => this.followers.offer(watcher, stream, bytes, pid);
    return new Channel(this.#pool, this.#owner(watcher, stream), wanted, onBytes);
  }

  #owner(watcher: string, stream: StreamName) {
    return { watcher, stream, log: this.#log.child({ watcher }) };
  }
}

const keyOf = (watcher: string, stream: StreamName): string => `${stream} ${watcher}`;
const watcherOf = (key: string): string => key.slice(key.indexOf(" ") + 1);

/** `close_child_stdout` goes before `stdout_stream`, as in Circus. Null: the process has not got one of ours. */
export function streamOf(config: WatcherConfig, stream: StreamName): StreamConfig | null {
  if (stream === "stdout") return config.closeChildStdout ? null : config.stdoutStream;
  return config.closeChildStderr ? null : config.stderrStream;
}

function openProblem({ filename }: StreamConfig, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : reasonOf(error);
  const texts: Readonly<Record<string, string>> = {
    ENOENT: "its directory does not exist",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOTDIR: "a part of its path is no directory",
    EROFS: "the file system is read-only",
    ENXIO: "nobody reads this pipe",
    EMFILE: "too many open files",
  };
  return `cannot open '${filename ?? "a temporary file"}': ${texts[code] ?? code}`;
}
