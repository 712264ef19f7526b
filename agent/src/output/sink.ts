/** Where the output of processes goes, behind a bounded queue. One sink may serve several processes and watchers. */
/** Something slow that takes bytes. */
export interface Target {
  /** For messages: the file, or `stdout`. */
  readonly name: string;
  /** Writes some of the bytes from their beginning and resolves with how many; rejects where it wrote none. */
  write(bytes: Buffer): Promise<number>;
  /**
   * As `write`, but at once, where nothing is in the way of that; 0: `write` it. Then what a process wrote is in the
   * file a moment after it was read, whatever becomes of the agent.
   *
   * @throws as the system says, with nothing written
   */
  writeNow?(bytes: Buffer): number;
  /** The next write opens its file anew. */
  reopen(): void;
  close(): Promise<void>;
}

export interface Sink {
  /** As {@link Target.name}. */
  readonly name: string;
  /** All that was taken is out. */
  readonly isWritten: boolean;
  /**
   * Takes bytes of one process; never waits. The end of a line that another process left unfinished is put in between.
   */
  write(bytes: Buffer, pid: number): void;
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
