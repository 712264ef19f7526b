/** What stands before a line where a stream has a `time_format` (reference §4.1, §4.3). Pure. */
import type { Piece } from "./lines.ts";

/** Pieces of one process in order → the bytes for its sink. */
export type Format = (piece: Piece, pid: number) => Buffer;

/** Lines as they are. */
export const plain: Format = ({ bytes }) => bytes;

/**
 * `TIME [PID] | ` before each line, empty ones too. A piece that goes on with a line gets none: no line has two. What
 * a process left unfinished is ended, so that the next prefix begins a line.
 *
 * @param now the formatted time of this moment
 */
export function timed(now: () => string): Format {
  return ({ bytes, isContinued, isLast }, pid) => {
    const prefix = latin1(`${now()} [${pid}] | `);
    // As Latin-1 every byte is one character and comes back unchanged, and V8 searches it fast.
    const text = bytes.toString("latin1");
    const endsLine = text.endsWith("\n");
    const body = endsLine ? text.slice(0, -1) : text;
    const lines = body.replaceAll("\n", `\n${prefix}`);
    return Buffer.from(`${isContinued ? "" : prefix}${lines}${endsLine || isLast ? "\n" : ""}`, "latin1");
  };
}

const ESCAPE = "\x1b";

/**
 * Each line that is not empty, in a colour, with its time and pid, always ended.
 *
 * @param color 1 red to 7 white
 */
export function fancy(now: () => string, color: number): Format {
  return ({ bytes }, pid) => {
    const prefix = `${ESCAPE}[0;3${color};40m${latin1(`${now()} [${pid}] | `)}`;
    const lines = bytes
      .toString("latin1")
      .split("\n")
      .filter((line) => line !== "");
    return Buffer.from(lines.map((line) => `${prefix}${line}${ESCAPE}[0m\n`).join(""), "latin1");
  };
}

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}
