/** Where the output of processes goes, behind a bounded queue. One sink may serve several processes and watchers. */
import type { Extent, Place } from "./trays/layout.ts";

/** Called at once before a write with where it would begin; files only. */
export type BeforeWrite = (at: Place) => void;

/** Of bytes on their way into a sink: whoever handed them on hears of it. */
export interface Ticket {
  /** So many of their lines are out, and the rest is about to be written there; null: not at once. */
  at(lines: number, to: Extent | null): void;
  /** They are out, or given up. Once. */
  out(): void;
}

/** Something slow that takes bytes. */
export interface Target {
  /** For messages: the file, or `stdout`. */
  readonly name: string;
  /** Writes some of the bytes from their beginning and resolves with how many; rejects where it wrote none. */
  write(bytes: Buffer, before?: BeforeWrite): Promise<number>;
  /**
   * As `write`, but at once, where nothing is in the way of that; 0: `write` it. Then what a process wrote is in the
   * file a moment after it was read, whatever becomes of the agent.
   *
   * @throws as the system says, with nothing written
   */
  writeNow?(bytes: Buffer, before?: BeforeWrite): number;
  /** Where the file ended when it was opened first; null: it is no file. */
  readonly begunAt?: Place | null;
  /** The next write opens its file anew. */
  reopen(): void;
  close(): Promise<void>;
}

export interface Sink {
  /** As {@link Target.name}. */
  readonly name: string;
  /** As {@link Target.begunAt}. */
  readonly begunAt: Place | null;
  /** All that was taken is out. */
  readonly isWritten: boolean;
  /**
   * Takes bytes of one process; never waits. The end of a line that another process left unfinished is put in between.
   */
  write(bytes: Buffer, pid: number, ticket?: Ticket | null): void;
  /** So much waits that whoever fills it should pause. */
  readonly isFull: boolean;
  /** @param turned called when `isFull` changes; the result ends it */
  listen(turned: () => void): () => void;
  reopen(): void;
  /** Settles when all that was taken until now is out, or given up after the time. */
  flush(deadlineMs: number): Promise<void>;
  /** What waits is written only after this, which must not reject: output that belongs before it goes elsewhere. */
  holdFor(before: Promise<unknown>): void;
  /** After a {@link flush}. */
  close(deadlineMs: number): Promise<void>;
}
