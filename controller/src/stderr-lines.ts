/**
 * Lines on stderr whose reader may sleep or be gone: what waits for it is bounded, and nobody waits. A pipe is opened
 * once more for us alone: other programs that share it make it blocking at will.
 */
import { constants, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";

const STDERR = 2;
/** What waits for the reader; later lines are dropped. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** What takes the lines. */
export type LineStream = Pick<Writable, "write" | "writableLength">;

/** @param lossOf the line that says how many were dropped */
export function boundedLines(stream: LineStream, lossOf: (lines: number) => string): (line: string) => void {
  let dropped = 0;
  return (line) => {
    if (stream.writableLength > WAITING_BYTES_MAX) {
      dropped++;
      return;
    }
    if (dropped > 0) stream.write(lossOf(dropped));
    dropped = 0;
    stream.write(line);
  };
}

export function openStderr(): Writable {
  const stream = openOwn() ?? process.stderr;
  stream.on("error", () => undefined); // whoever read it has gone; that must not end the controller
  return stream;
}

/** Null: it is no pipe, or somebody else's. */
function openOwn(): Socket | null {
  try {
    if (!fstatSync(STDERR).isFIFO()) return null;
    const fd = openSync(`/proc/self/fd/${STDERR}`, constants.O_WRONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: false, writable: true }).unref();
  } catch {
    return null;
  }
}
