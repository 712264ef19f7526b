/** Which processes have been silent for too long (reference §9.6, D17). Pure. */
import { parseSignal } from "@circus-cluster/proto";
import { isPlugin } from "../config/plugin-name.ts";
import type { OptionReader } from "./options.ts";
import { pythonRegex } from "./python-regex.ts";

export interface WatchdogOptions {
  readonly loopRateS: number;
  readonly watchers: RegExp;
  readonly message: RegExp;
  /** Loops without a word that are put up with. */
  readonly maxCount: number;
  readonly ip: string;
  readonly port: number;
  /** Null: the watcher's own. */
  readonly stopSignal: number | null;
  readonly gracefulTimeoutS: number | null;
}

export function readWatchdog(reader: OptionReader): WatchdogOptions {
  const message = readRegex(reader, "msg_regex", "^(?P<pid>.*);(?P<timestamp>.*)$");
  if (!message.source.includes("(?<pid>")) reader.problem("msg_regex", "it has no group (?P<pid>…)");
  const signal = reader.optional("watchers_stop_signal");
  const stopSignal = signal === null ? null : parseSignal(signal);
  if (signal !== null && stopSignal === null) reader.problem("watchers_stop_signal", `'${signal}' is not a signal`);
  const timeout = reader.optional("watchers_graceful_timeout");
  return {
    loopRateS: reader.loopRate(60),
    watchers: readRegex(reader, "watchers_regex", ".*"),
    message,
    maxCount: reader.int("max_count", 3, { min: 1 }),
    ip: reader.text("ip", "127.0.0.1"),
    port: reader.port(1664),
    stopSignal,
    gracefulTimeoutS: timeout === null ? null : reader.seconds("watchers_graceful_timeout", 0),
  };
}

function readRegex(reader: OptionReader, key: string, fallback: string): RegExp {
  const text = reader.text(key, fallback);
  const regex = pythonRegex(text);
  if (regex === null) reader.problem(key, `'${text}' is no regular expression`);
  return regex ?? /(?<pid>)/;
}

interface Watched {
  readonly watcher: string;
  readonly heardMs: number;
}

/** By pid. */
export type WatchdogState = ReadonlyMap<number, Watched>;

export type WatchdogInput =
  /** Found or spawned; one that is known already keeps its time. */
  | { readonly kind: "appeared"; readonly watcher: string; readonly pid: number }
  | { readonly kind: "gone"; readonly pid: number }
  | { readonly kind: "datagram"; readonly text: string }
  | { readonly kind: "tick" };

interface Step {
  readonly state: WatchdogState;
  /** Each is asked for once, and forgotten: the agent sees to it that it goes. */
  readonly kills: readonly { readonly watcher: string; readonly pid: number }[];
}

/** @param nowMs monotonic */
export function watchdog(state: WatchdogState, input: WatchdogInput, nowMs: number, options: WatchdogOptions): Step {
  const next = new Map(state);
  switch (input.kind) {
    case "appeared": {
      const { watcher, pid } = input;
      // Plugins send no messages, and this one would be the first to fall to its own `.*`.
      if (!state.has(pid) && !isPlugin(watcher) && options.watchers.test(watcher)) {
        next.set(pid, { watcher, heardMs: nowMs });
      }
      return { state: next, kills: [] };
    }
    case "gone":
      next.delete(input.pid);
      return { state: next, kills: [] };
    case "datagram": {
      const pid = options.message.exec(input.text)?.groups?.["pid"]?.trim() ?? "";
      const watched = /^\d+$/.test(pid) ? state.get(Number(pid)) : undefined;
      if (watched !== undefined) next.set(Number(pid), { ...watched, heardMs: nowMs });
      return { state: next, kills: [] };
    }
    case "tick": {
      const limitMs = options.loopRateS * options.maxCount * 1000;
      const silent = [...state].filter(([, { heardMs }]) => nowMs - heardMs > limitMs);
      for (const [pid] of silent) next.delete(pid);
      return { state: next, kills: silent.map(([pid, { watcher }]) => ({ watcher, pid })) };
    }
    default:
      return input satisfies never;
  }
}
