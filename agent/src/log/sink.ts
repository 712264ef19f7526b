/** Where the lines of the log go; here a file that an outside logrotate may move away. */
import { closeSync, constants, fstatSync, openSync, statSync, writeSync } from "node:fs";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import { formatLine, type LogRecord } from "./format.ts";

export interface Sink extends Disposable {
  write(record: LogRecord): void;
  /** Opens its file anew, where it has one. */
  reopen(): void;
}

/** A FIFO that nobody reads, or reads too slowly, must not hold the agent up. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Appends; opened anew when the path no longer leads to the open file. A full disk costs lines, nothing else.
 *
 * @throws CircusError `os` where the file cannot be opened.
 */
export function fileSink(path: string): Sink {
  let fd = -1;
  const open = (): void => {
    fd = openSync(path, FLAGS, 0o644);
  };
  const close = (): void => {
    if (fd >= 0) closeSync(fd);
    fd = -1;
  };
  try {
    open();
  } catch (error) {
    const isUnread = (error as NodeJS.ErrnoException).code === "ENXIO";
    const why = isUnread ? "it is a FIFO that nobody reads, or a socket" : reasonOf(error);
    throw new CircusError("os", `cannot open log file '${path}': ${why}`, { cause: error });
  }
  return {
    write: (record) => {
      try {
        if (fd < 0 || !isSameFile(fd, path)) {
          close();
          open();
        }
        writeSync(fd, `${formatLine(record)}\n`);
      } catch {
        // nowhere to say it
      }
    },
    reopen: close, // the next line opens it
    [Symbol.dispose]: close,
  };
}

function isSameFile(fd: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  if (named === undefined) return false;
  const open = fstatSync(fd);
  return named.ino === open.ino && named.dev === open.dev;
}
