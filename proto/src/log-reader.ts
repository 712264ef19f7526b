/**
 * Reads the output of one watcher on one host, past and live, by the commands `logs` and `follow`. It asks for more only
 * when its caller has taken what came, so that a slow caller costs the agent a bounded queue and itself some lines, of
 * which it is told. Pure: how to ask and how to wait is given.
 */
import {
  FOLLOW,
  LOG_LINES_MAX,
  LOG_STREAMS,
  LOGS,
  type LogLine,
  type LogSource,
  type LogStream,
  logBatch,
  logLease,
  logPage,
} from "./commands/logs.ts";
import { parse } from "./schema.ts";
import type { Millis } from "./time.ts";

export interface LogWanted {
  readonly watcher: string;
  /** Of each stream, from before this moment; null: as many as there are. */
  readonly lines: number | null;
  /** Wall ms; null: however old. */
  readonly since: Millis | null;
  readonly isFollowed: boolean;
}

export type AgentReply =
  | { readonly kind: "reply"; readonly reply: object }
  /** It says no, and would again. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "silent"; readonly reason: string };

export interface LogAgent {
  /** @param waitMs so long it may take beyond the way there and back */
  ask(command: string, properties: object, waitMs: Millis): Promise<AgentReply>;
  pause(ms: Millis): Promise<void>;
  /** Nobody wants more. */
  readonly isOver: boolean;
}

export interface LogPast {
  readonly kind: "past";
  readonly lines: readonly LogLine[];
  readonly sources: Readonly<Record<LogStream, LogSource>>;
  /** Older ones were left out for want of room. */
  readonly isCut: boolean;
  /** Streams whose lines have no time, where a time was asked for. */
  readonly untimed: readonly LogStream[];
}

/** `past` comes once, before any `lines`. */
export type LogNews =
  | LogPast
  | { readonly kind: "lines"; readonly lines: readonly LogLine[] }
  /** So many lines never came; null: nobody knows how many. */
  | { readonly kind: "missed"; readonly lines: number | null }
  /** It does not answer, and is asked again; `back`: it does again. */
  | { readonly kind: "trouble"; readonly reason: string }
  | { readonly kind: "back" }
  /** Nothing more comes. */
  | { readonly kind: "refused"; readonly reason: string };

/** Characters of the past of one stream that are held at once. */
const PAST_MAX = 32 * 1024 * 1024;
const WAIT_MS = 10_000;
const AGAIN_MS = 2000;

export async function* readLog(wanted: LogWanted, agent: LogAgent): AsyncGenerator<LogNews> {
  const reader = new Reader(wanted, agent);
  yield* wanted.isFollowed ? reader.follow() : reader.once();
}

/** In the order of time; a line without one stays behind its predecessor. */
export function mergeLines<T extends Pick<LogLine, "time">>(lists: readonly (readonly T[])[]): readonly T[] {
  const keyed = lists.flatMap((lines) => {
    let last = -1;
    return lines.map((line) => {
      last = Math.max(last, line.time ?? last);
      return { line, last };
    });
  });
  return keyed.sort((a, b) => a.last - b.last).map(({ line }) => line);
}

type Places = Readonly<Record<LogStream, string | null>>;
type Failure = Extract<LogNews, { kind: "refused" | "trouble" }>;

/** Of one stream. */
interface StreamPast {
  readonly kind: "read";
  readonly source: LogSource;
  readonly isTimed: boolean;
  readonly isCut: boolean;
  readonly lines: readonly LogLine[];
}

class Reader {
  readonly #wanted: LogWanted;
  readonly #agent: LogAgent;
  #isTroubled = false;

  constructor(wanted: LogWanted, agent: LogAgent) {
    this.#wanted = wanted;
    this.#agent = agent;
  }

  async *once(): AsyncGenerator<LogNews> {
    yield await this.#past({});
  }

  async *follow(): AsyncGenerator<LogNews> {
    for (let isFirst = true; !this.#agent.isOver; isFirst = false) {
      const opened = yield* this.#persistently(FOLLOW.name, {}, 0);
      if (opened === null) return;
      const lease = parse(logLease, opened);
      if (!lease.ok) {
        yield { kind: "refused", reason: "what answered is no agent that can be followed" };
        return;
      }
      if (isFirst) {
        const past = await this.#past(lease.value.before);
        yield past;
        if (past.kind === "refused") return;
      }
      if (!isFirst || !lease.value.seamless) yield { kind: "missed", lines: null };
      if ((yield* this.#live(lease.value.lease)) === "ended") return;
    }
  }

  /** @returns `lost`: the lease has ended */
  async *#live(lease: string): AsyncGenerator<LogNews, "ended" | "lost"> {
    for (let taken = 0; !this.#agent.isOver; ) {
      const answer = yield* this.#persistently(FOLLOW.name, { lease, taken, wait: WAIT_MS }, WAIT_MS);
      if (answer === null) return "ended";
      const batch = parse(logBatch, answer);
      if (!batch.ok || batch.value.lease === null) return "lost";
      if (batch.value.left_out > 0) yield { kind: "missed", lines: batch.value.left_out };
      if (batch.value.lines.length > 0) yield { kind: "lines", lines: batch.value.lines };
      taken = batch.value.number;
    }
    return "ended";
  }

  /** Asks until there is an answer. @returns null: it was refused, which was told, or nobody wants it any more */
  async *#persistently(command: string, properties: object, waitMs: Millis): AsyncGenerator<LogNews, object | null> {
    while (!this.#agent.isOver) {
      const answer = await this.#agent.ask(command, { name: this.#wanted.watcher, ...properties }, waitMs);
      if (answer.kind === "refused") {
        yield answer;
        return null;
      }
      if (answer.kind === "reply") {
        if (this.#isTroubled) yield { kind: "back" };
        this.#isTroubled = false;
        return answer.reply;
      }
      if (!this.#isTroubled) yield { kind: "trouble", reason: answer.reason };
      this.#isTroubled = true;
      await this.#agent.pause(AGAIN_MS);
    }
    return null;
  }

  async #past(before: Partial<Places>): Promise<LogPast | Failure> {
    const sources: Record<LogStream, LogSource> = { stdout: "none", stderr: "none" };
    const lists: (readonly LogLine[])[] = [];
    const untimed: LogStream[] = [];
    let isCut = false;
    for (const stream of LOG_STREAMS) {
      const read = await this.#pastOf(stream, before[stream]);
      if (read.kind !== "read") return read;
      sources[stream] = read.source;
      lists.push(read.lines);
      isCut ||= read.isCut;
      if (!read.isTimed && read.source === "file" && this.#wanted.since !== null) untimed.push(stream);
    }
    return { kind: "past", lines: mergeLines(lists), sources, isCut, untimed };
  }

  async #pastOf(stream: LogStream, from: string | null | undefined): Promise<StreamPast | Failure> {
    const { watcher, since } = this.#wanted;
    const pages: (readonly LogLine[])[] = [];
    let left = this.#wanted.lines ?? Number.POSITIVE_INFINITY;
    let size = 0;
    let before = from;
    for (;;) {
      // Also where nothing is wanted of the past: one question tells where lines can come from.
      const lines = Math.max(1, Math.min(left, LOG_LINES_MAX));
      const given = { name: watcher, stream, lines, ...(since === null ? {} : { since }) };
      const answer = await this.#agent.ask(LOGS.name, typeof before !== "string" ? given : { ...given, before }, 0);
      if (answer.kind === "silent") return { kind: "trouble", reason: answer.reason };
      if (answer.kind === "refused") return answer;
      const page = parse(logPage, answer.reply);
      if (!page.ok) return { kind: "refused", reason: "what answered is no agent that has logs" };
      const { source, timed: isTimed } = page.value;
      if (left > 0) pages.push(page.value.lines);
      left -= page.value.lines.length;
      size += page.value.lines.reduce((sum, { line }) => sum + line.length, 0);
      before = page.value.before;
      const isCut = size > PAST_MAX && left > 0 && before !== null;
      if (isCut || left <= 0 || before === null) {
        return { kind: "read", source, isTimed, isCut, lines: pages.reverse().flat() };
      }
    }
  }
}
