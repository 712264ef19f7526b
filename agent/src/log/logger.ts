/** The agent's log. */
import { isLogged, type Logger, type LogLevel, makeLogger } from "@circus-cluster/proto";
import type { LogTarget } from "../config/log-output.ts";
import { StandardStream } from "../output/standard-stream.ts";
import { fileSink, type Sink } from "./sink.ts";
import { streamSink } from "./stream-sink.ts";
import { syslogSink } from "./syslog.ts";

export interface LogOptions {
  readonly level: LogLevel;
  readonly target: LogTarget;
}

export interface AgentLog extends Disposable {
  readonly logger: Logger;
  /** From now on; children of the logger too. */
  setLevel(level: LogLevel): void;
  /** Opens the log's file anew, where it is one: for an outside logrotate. */
  reopen(): void;
}

/** @throws CircusError `os` where the file or syslog's socket cannot be used. */
export function openLog({ level: first, target }: LogOptions): AgentLog {
  const sink = openSink(target);
  let level = first;
  const setLevel = (next: LogLevel): void => {
    level = next;
  };
  const logger = makeLogger((at, text, fields) => {
    if (isLogged(at, level)) sink.write({ when: new Date(), pid: process.pid, level: at, text, fields });
  });
  return { logger, setLevel, reopen: () => sink.reopen(), [Symbol.dispose]: () => sink[Symbol.dispose]() };
}

function openSink(target: LogTarget): Sink {
  switch (target.kind) {
    case "stderr":
      return streamSink(new StandardStream(2));
    case "stdout":
      return streamSink(new StandardStream(1));
    case "file":
      return fileSink(target.path);
    case "syslog":
      return syslogSink(target.address, target.facility);
    default:
      return target satisfies never;
  }
}
