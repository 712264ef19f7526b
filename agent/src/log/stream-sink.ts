/**
 * The log on the agent's own stdout or stderr. A reader that sleeps costs lines, which are counted and told when it
 * reads again; never time.
 */
import { StandardStream } from "../output/standard-stream.ts";
import { formatLine, type LogRecord } from "./format.ts";
import type { Sink } from "./sink.ts";

/** What waits for the reader; later lines are dropped. */
const QUEUE_BYTES_MAX = 256 * 1024;
const RETRY_MS = 100;
/** At the end, for what waits. */
const LINGER_MS = 500;

/** What this needs of a {@link StandardStream}. */
export type Outlet = Pick<StandardStream, "write" | "isReady"> & Disposable;

/** @param outlet closed at the end */
export function streamSink(outlet: Outlet): Sink {
  const queue: Buffer[] = [];
  let waiting = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  const put = (record: LogRecord): void => {
    const line = Buffer.from(`${formatLine(record)}\n`);
    queue.push(line);
    waiting += line.length;
  };
  const flush = (): void => {
    timer = null;
    for (let line = queue[0]; line !== undefined; line = queue[0]) {
      const written = writeSome(outlet, line);
      if (written === null) {
        timer = setTimeout(flush, RETRY_MS).unref();
        return;
      }
      waiting -= written;
      if (written < line.length) queue[0] = line.subarray(written);
      else queue.shift();
      if (queue.length === 0 && dropped > 0) {
        put(lossOf(dropped));
        dropped = 0;
      }
    }
  };
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    const until = performance.now() + LINGER_MS;
    const remaining = (): number => Math.ceil(until - performance.now());
    while (queue.length > 0 && remaining() > 0 && outlet.isReady(remaining())) flush();
    if (timer !== null) clearTimeout(timer);
    outlet[Symbol.dispose]();
  };
  return {
    write: (record) => {
      if (isClosed) return;
      if (waiting > QUEUE_BYTES_MAX) dropped++;
      else put(record);
      if (timer === null) flush();
    },
    reopen: () => undefined,
    [Symbol.dispose]: close,
  };
}

/** How many of the bytes are done with; null: none can be written now. A reader that has gone must not end the agent. */
function writeSome(outlet: Outlet, bytes: Buffer): number | null {
  try {
    return outlet.write(bytes);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    return code === "EAGAIN" || code === "EINTR" ? null : bytes.length;
  }
}

function lossOf(lines: number): LogRecord {
  const fields = { lines };
  return { when: new Date(), pid: process.pid, level: "warning", text: "the log lost lines: nobody read it", fields };
}
