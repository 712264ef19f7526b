/** The agent's log: to a file that an outside logrotate may move away, or to a standard stream. */
import { closeSync, fstatSync, openSync, statSync, writeSync } from "node:fs";
import { CircusError, isLogged, type Logger, type LogLevel, makeLogger, reasonOf } from "@circus-cluster/proto";
import { formatLine } from "./format.ts";

export interface LogOptions {
  readonly level: LogLevel;
  /** A file; `-` or `stdout`; null: stderr (reference §7). */
  readonly output: string | null;
}

export interface AgentLog extends Disposable {
  readonly logger: Logger;
}

interface Sink extends Disposable {
  write(line: string): void;
}

/** @throws CircusError `os` where the file cannot be opened. */
export function openLog({ level, output }: LogOptions): AgentLog {
  const sink = openSink(output);
  const logger = makeLogger((at, text, fields) => {
    if (isLogged(at, level)) sink.write(`${formatLine(new Date(), process.pid, at, text, fields)}\n`);
  });
  return { logger, [Symbol.dispose]: () => sink[Symbol.dispose]() };
}

function openSink(output: string | null): Sink {
  if (output === null || output === "") return streamSink(process.stderr);
  return output === "-" || output === "stdout" ? streamSink(process.stdout) : fileSink(output);
}

function streamSink(stream: NodeJS.WriteStream): Sink {
  const ignore = (): void => undefined; // whoever read it has gone; that must not end the agent
  stream.on("error", ignore);
  return {
    write: (line) => void stream.write(line),
    [Symbol.dispose]: () => void stream.off("error", ignore),
  };
}

/** Appends; opened anew when the path no longer leads to the open file. A full disk costs lines, nothing else. */
function fileSink(path: string): Sink {
  let fd = -1;
  const open = (): void => {
    fd = openSync(path, "a", 0o644);
  };
  const close = (): void => {
    if (fd >= 0) closeSync(fd);
    fd = -1;
  };
  try {
    open();
  } catch (error) {
    throw new CircusError("os", `cannot open log file '${path}': ${reasonOf(error)}`, { cause: error });
  }
  return {
    write: (line) => {
      try {
        if (fd < 0 || !isSameFile(fd, path)) {
          close();
          open();
        }
        writeSync(fd, line);
      } catch {
        // nowhere to say it
      }
    },
    [Symbol.dispose]: close,
  };
}

function isSameFile(fd: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  if (named === undefined) return false;
  const open = fstatSync(fd);
  return named.ino === open.ino && named.dev === open.dev;
}
