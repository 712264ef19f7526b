/** Shows the output of one watcher on one host or many: first the past of all in one order, then what comes, as it comes. */
import { EXIT, type LogAgent, type LogLine, type LogPast, mergeLines, readLog } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { hasColour, type Io } from "../io.ts";
import { clean } from "../render/table.ts";
import { readInstant } from "../render/time.ts";
import { type Settings, UsageError } from "../settings.ts";
import { type LineStyle, logJson, logText, missedNote, ofHosts, sourceNote } from "./lines.ts";

/** Shown of each host where nobody says how many. */
const LINES = 100;
const FOLLOWED_LINES = 10;
const LINES_MAX = 1_000_000;

export interface LogOptions {
  readonly watcher: string;
  /** Of each stream; null: all. */
  readonly lines: number | null;
  /** Wall ms. */
  readonly since: number | null;
  readonly isFollowed: boolean;
  readonly hasTimes: boolean;
}

export interface LogHost {
  /** Null: the local agent. */
  readonly host: string | null;
  readonly ask: LogAgent["ask"];
}

interface Surroundings {
  readonly io: Io;
  readonly settings: Settings;
  /** Exit code where a host does not answer the first question; null: it is asked again. */
  readonly onFirstSilence: (reason: string) => number | null;
  /** Settles when there is no way to any host any more. */
  readonly lost: Promise<unknown>;
}

/** @throws UsageError */
export function logOptions({ words, options }: Request, io: Io): LogOptions {
  const isFollowed = options["follow"] !== undefined;
  const since = typeof options["since"] === "string" ? readInstant(options["since"], io.now()) : null;
  if (typeof options["since"] === "string" && since === null) {
    throw new UsageError(`--since ${JSON.stringify(options["since"])} is no time: 1h, 2d, 14:30, 2026-01-31T12:00`);
  }
  const byDefault = since !== null ? null : isFollowed ? FOLLOWED_LINES : LINES;
  return {
    watcher: words[0] ?? "",
    lines: linesOption(options["lines"], byDefault),
    since,
    isFollowed,
    hasTimes: options["times"] !== undefined,
  };
}

function linesOption(text: string | true | undefined, byDefault: number | null): number | null {
  if (typeof text !== "string") return byDefault;
  if (text === "all") return null;
  const lines = Number(text);
  if (!/^\d+$/.test(text) || lines > LINES_MAX) throw new UsageError(`--lines ${text}: 0 to ${LINES_MAX}, or all`);
  return lines;
}

/** @returns the exit code; 0 after Ctrl-C */
export async function showLogs(
  hosts: readonly LogHost[],
  options: LogOptions,
  surroundings: Surroundings,
): Promise<number> {
  const show = new Show(hosts, options, surroundings);
  const undo = surroundings.io.onInterrupt(() => show.end(EXIT.ok));
  try {
    void surroundings.lost.then(() => show.lost());
    return await show.run();
  } finally {
    undo();
  }
}

class Show {
  readonly #hosts: readonly LogHost[];
  readonly #options: LogOptions;
  readonly #surroundings: Surroundings;
  readonly #style: LineStyle;
  readonly #pasts = new Map<LogHost, LogPast | null>();
  /** Settles when all pasts are shown. */
  readonly #shown: Promise<void>;
  #allArrived: () => void = () => undefined;
  readonly #ended: Promise<number>;
  #finish: (exit: number) => void = () => undefined;
  #isOver = false;
  #failed = 0;

  constructor(hosts: readonly LogHost[], options: LogOptions, surroundings: Surroundings) {
    this.#hosts = hosts;
    this.#options = options;
    this.#surroundings = surroundings;
    const { io } = surroundings;
    this.#style = {
      hosts: hosts.map(({ host }) => host).filter((host) => host !== null),
      hasTimes: options.hasTimes,
      isTerminal: io.isOutTty,
      hasColour: hasColour(io),
    };
    this.#shown = new Promise((resolve) => (this.#allArrived = resolve));
    this.#ended = new Promise((resolve) => (this.#finish = resolve));
  }

  end(exit: number): void {
    this.#isOver = true;
    this.#finish(exit);
  }

  lost(): void {
    if (this.#isOver) return;
    this.#surroundings.io.err("circusctl: the connection to NATS was lost\n");
    this.end(EXIT.unreachable);
  }

  async run(): Promise<number> {
    void Promise.all(this.#hosts.map((host) => this.#read(host))).then(() => {
      const isWhole = this.#failed === 0;
      this.end(isWhole ? EXIT.ok : this.#failed < this.#hosts.length ? EXIT.partial : EXIT.refused);
    });
    return await this.#ended;
  }

  /** Never rejects. */
  async #read(host: LogHost): Promise<void> {
    const isOver = (): boolean => this.#isOver;
    const agent: LogAgent = {
      ask: host.ask,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      get isOver() {
        return isOver();
      },
    };
    try {
      for await (const news of readLog(this.#options, agent)) {
        if (this.#isOver) return;
        switch (news.kind) {
          case "past":
            await this.#arrive(host, news);
            break;
          case "lines":
            await this.#shown;
            this.#print(news.lines.map((line) => ({ host: host.host, line })));
            break;
          case "missed":
            this.#note([host], missedNote(news.lines));
            break;
          case "trouble":
            this.#silent(host, news.reason);
            break;
          case "back":
            this.#note([host], "it answers again");
            break;
          case "refused":
            this.#failed++;
            this.#note([host], news.reason);
            break;
          default:
            news satisfies never;
        }
      }
    } catch (error) {
      this.#failed++;
      this.#note([host], error instanceof Error ? error.message : String(error));
    } finally {
      void this.#arrive(host, null);
    }
  }

  #silent(host: LogHost, reason: string): void {
    const exit = this.#pasts.has(host) ? null : this.#surroundings.onFirstSilence(reason);
    if (exit !== null) {
      this.end(exit);
      return;
    }
    if (!this.#options.isFollowed) this.#failed++;
    this.#note([host], this.#options.isFollowed ? `${reason}; asking again` : reason);
    void this.#arrive(host, null);
  }

  /** Settles when the pasts of all hosts are shown. @param past null: it has none that could be had */
  #arrive(host: LogHost, past: LogPast | null): Promise<void> {
    if (this.#pasts.has(host)) {
      if (past !== null) this.#print(past.lines.map((line) => ({ host: host.host, line })));
      return this.#shown;
    }
    this.#pasts.set(host, past);
    if (this.#pasts.size === this.#hosts.length && !this.#isOver) {
      this.#showPasts();
      this.#allArrived();
    }
    return this.#shown;
  }

  #showPasts(): void {
    const notes = new Map<string, LogHost[]>();
    const lists = this.#hosts.map((host) => {
      const past = this.#pasts.get(host) ?? null;
      const note = past === null ? null : sourceNote(this.#options.watcher, past, this.#options.isFollowed);
      if (note !== null) notes.set(note, [...(notes.get(note) ?? []), host]);
      return (past?.lines ?? []).map((line) => ({ host: host.host, line, time: line.time }));
    });
    for (const [note, hosts] of notes) this.#note(hosts, note);
    this.#print(mergeLines(lists));
  }

  /** Waits for a slow reader, which costs this one lines, and nobody else anything. */
  #print(lines: readonly { readonly host: string | null; readonly line: LogLine }[]): void {
    if (this.#isOver || lines.length === 0) return;
    const { io, settings } = this.#surroundings;
    const { watcher } = this.#options;
    const texts = lines.map(({ host, line }) =>
      settings.json ? logJson(host, watcher, line) : logText(host, line, this.#style),
    );
    if (!io.out(`${texts.join("\n")}\n`)) this.end(EXIT.ok);
  }

  #note(hosts: readonly LogHost[], text: string): void {
    if (this.#isOver) return;
    const names = hosts.map(({ host }) => host);
    this.#surroundings.io.err(`circusctl: ${clean(ofHosts(names, text))}\n`);
  }
}
