/** QueueStream: output kept in memory for the program that embeds the agent. */
import type { Sink, Ticket } from "../sink.ts";

/** The oldest goes when more waits than this. */
const BYTES_MAX = 8 * 1024 * 1024;
const RECORDS_MAX = 10_000;

/** Whole lines of one process. */
export interface OutputRecord {
  readonly data: Buffer;
  readonly pid: number;
}

export class OutputQueue implements Sink {
  readonly name = "queue";
  readonly isFull = false;
  readonly isWritten = true;
  readonly begunAt = null;
  readonly #records: OutputRecord[] = [];
  #bytes = 0;
  #dropped = 0;

  /** Bytes that nobody took in time. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The oldest record, which is not there any more then; undefined: none is. */
  take(): OutputRecord | undefined {
    const record = this.#records.shift();
    this.#bytes -= record?.data.length ?? 0;
    return record;
  }

  write(data: Buffer, pid: number, ticket: Ticket | null = null): void {
    this.#records.push({ data, pid });
    this.#bytes += data.length;
    while (this.#records.length > RECORDS_MAX || this.#bytes > BYTES_MAX)
      this.#dropped += this.take()?.data.length ?? 0;
    ticket?.out();
  }

  listen(): () => void {
    return () => undefined;
  }

  reopen(): void {
    // nothing to open
  }

  holdFor(): void {
    // it holds nothing up
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
