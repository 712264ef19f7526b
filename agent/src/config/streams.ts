/**
 * What `stdout_stream` and `stderr_stream` of a watcher say (reference §4): one object of options → a typed
 * stream, whether it came from a file, from `set` or from `add`. Pure.
 */
import { nearest } from "@circus-cluster/proto";
import { quote } from "./text.ts";
import { parseBool, parseInteger } from "./values.ts";

const STREAM_CLASSES = [
  "FileStream",
  "WatchedFileStream",
  "TimedRotatingFileStream",
  "StdoutStream",
  "FancyStdoutStream",
  "QueueStream",
] as const;
type StreamClass = (typeof STREAM_CLASSES)[number];

/** In the order of their ANSI numbers, from 1. */
export const COLORS = ["red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
type Color = (typeof COLORS)[number];

/** `W0` is Monday. */
const ROTATE_WHEN = [
  ...["S", "M", "H", "D", "MIDNIGHT"],
  ...["W0", "W1", "W2", "W3", "W4", "W5", "W6"],
] as readonly string[];

export interface TimedRotation {
  /** One of ROTATE_WHEN. */
  readonly when: string;
  /** In units of `when`, from 1. */
  readonly interval: number;
  readonly utc: boolean;
}

type Given = Readonly<Record<string, string | number | boolean>>;

export interface StreamConfig {
  readonly class: StreamClass;
  /** As written; null: a temporary file, for the classes that write to files. */
  readonly filename: string | null;
  /** The file never grows beyond it; 0: no limit. */
  readonly maxBytes: number;
  readonly backupCount: number;
  /** For `strftime`; null: lines as they are. */
  readonly timeFormat: string | null;
  /** TimedRotatingFileStream only. */
  readonly rotation: TimedRotation | null;
  /** FancyStdoutStream only; null: any. */
  readonly color: Color | null;
  /** The options as they were given, with their class: what `options` shows. */
  readonly given: Given;
}

interface StreamProblem {
  /** The option it is about; null: the whole. */
  readonly option: string | null;
  readonly severity: "error" | "warning";
  readonly problem: string;
}

export interface ResolvedStream {
  /** Null where a problem is an error. */
  readonly stream: StreamConfig | null;
  readonly problems: readonly StreamProblem[];
}

const FILE_OPTIONS = ["filename", "time_format"];
/** Which options mean something to which class. */
const OPTIONS: Readonly<Record<StreamClass, readonly string[]>> = {
  FileStream: [...FILE_OPTIONS, "max_bytes", "backup_count"],
  WatchedFileStream: FILE_OPTIONS,
  TimedRotatingFileStream: [...FILE_OPTIONS, "backup_count", "rotate_when", "rotate_interval", "utc"],
  StdoutStream: [],
  FancyStdoutStream: ["color", "time_format"],
  QueueStream: [],
};
/** Of older versions: accepted without a word, without effect. */
const IGNORED = ["refresh_time"];

/** The agent's own stdout, where output without a stream goes too. */
export const OWN_STDOUT: StreamConfig = {
  ...{ class: "StdoutStream", filename: null, maxBytes: 0, backupCount: 0, timeFormat: null },
  ...{ rotation: null, color: null, given: { class: "StdoutStream" } },
};

const FANCY_TIME_FORMAT = "%Y-%m-%d %H:%M:%S";

/** @param options as in Circus's `stdout_stream` object; texts, or numbers and booleans from the wire */
export function resolveStream(options: Readonly<Record<string, unknown>>): ResolvedStream {
  const reader = new OptionReader(options);
  const name = classOf(reader);
  if (name === null) return { stream: null, problems: reader.problems };
  const known = OPTIONS[name];
  reader.checkNames(name);
  const has = (option: string): boolean => known.includes(option);
  const filename = has("filename") ? reader.text("filename") : null;
  if (has("filename") && filename === null) reader.warn(null, "it has no 'filename': a temporary file is used");
  if (name === "QueueStream") {
    reader.warn("class", "QueueStream is for programs that embed the agent; nobody else sees what is in it");
  }
  const stream: StreamConfig = {
    class: name,
    filename,
    maxBytes: has("max_bytes") ? reader.whole("max_bytes", 0, 0) : 0,
    backupCount: has("backup_count") ? reader.whole("backup_count", 0, 0) : 0,
    timeFormat:
      (has("time_format") ? reader.text("time_format") : null) ??
      (name === "FancyStdoutStream" ? FANCY_TIME_FORMAT : null),
    rotation: name === "TimedRotatingFileStream" ? rotationOf(reader) : null,
    color: has("color") ? colorOf(reader) : null,
    given: { class: reader.text("class") ?? name, ...reader.given() },
  };
  const isRefused = reader.problems.some(({ severity }) => severity === "error");
  return { stream: isRefused ? null : stream, problems: reader.problems };
}

/** Why one option does nothing in a stream of that class; null: it does something. */
export function uselessOption(name: StreamClass, option: string): string | null {
  const known = OPTIONS[name];
  if (option === "class" || known.includes(option) || IGNORED.includes(option)) return null;
  if (Object.values(OPTIONS).some((options) => options.includes(option))) return `no effect with ${name}`;
  const near = nearest(option, known);
  return `${name} has no such option${near === null ? "" : `; did you mean '${near}'?`}`;
}

/** The one line for whoever sent it; null where all is well. */
export function streamRefusal(key: string, { problems }: ResolvedStream): string | null {
  const first = problems.find(({ severity }) => severity === "error");
  if (first === undefined) return null;
  return `${first.option === null ? key : `${key}.${first.option}`}: ${first.problem}`;
}

function classOf(reader: OptionReader): StreamClass | null {
  const text = reader.text("class");
  if (text === null) {
    if (reader.text("filename") !== null) return "FileStream";
    reader.error(null, `it needs a 'class' (${STREAM_CLASSES.join(", ")}) or a 'filename'`);
    return null;
  }
  const short = /^circus\.stream\.(?:[a-z_]+\.)?(\w+)$/.exec(text)?.[1] ?? text;
  const name = STREAM_CLASSES.find((candidate) => candidate === short);
  if (name !== undefined) return name;
  const known = STREAM_CLASSES.join(", ");
  if (text.includes(".")) {
    reader.error("class", `a stream class of your own, ${quote(text)}, cannot run here (there are ${known})`);
  } else {
    const near = nearest(text, STREAM_CLASSES);
    const hint = near === null ? ` (there are ${known})` : `; did you mean '${near}'?`;
    reader.error("class", `there is no stream class ${quote(text)}${hint}`);
  }
  return null;
}

function rotationOf(reader: OptionReader): TimedRotation {
  const text = reader.text("rotate_when");
  const when = ROTATE_WHEN.find((word) => word === text?.trim().toUpperCase());
  if (text === null) {
    reader.error("class", `TimedRotatingFileStream needs 'rotate_when' (${ROTATE_WHEN.join(", ")})`);
  } else if (when === undefined) {
    reader.error("rotate_when", `${quote(text)} is none of ${ROTATE_WHEN.join(", ")}`);
  }
  return {
    when: when ?? "D",
    interval: reader.whole("rotate_interval", 1, 1),
    utc: reader.bool("utc"),
  };
}

function colorOf(reader: OptionReader): Color | null {
  const text = reader.text("color");
  if (text === null) return null;
  const color = COLORS.find((candidate) => candidate === text.trim().toLowerCase()) ?? null;
  if (color === null) reader.warn("color", `${quote(text)} is none of ${COLORS.join(", ")}: any is taken`);
  return color;
}

class OptionReader {
  readonly problems: StreamProblem[] = [];
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(options: Readonly<Record<string, unknown>>) {
    this.#options = options;
    for (const [option, value] of Object.entries(options)) {
      if (!["string", "number", "boolean"].includes(typeof value)) {
        this.error(option, "it is neither a text nor a number");
      }
    }
  }

  error(option: string | null, problem: string): void {
    this.problems.push({ option, severity: "error", problem });
  }

  warn(option: string | null, problem: string): void {
    this.problems.push({ option, severity: "warning", problem });
  }

  checkNames(name: StreamClass): void {
    for (const option of Object.keys(this.#options)) {
      const problem = uselessOption(name, option);
      if (problem !== null) this.warn(option, problem);
    }
  }

  /** Null where it is missing or empty. */
  text(option: string): string | null {
    const value = Object.hasOwn(this.#options, option) ? this.#options[option] : undefined;
    const text = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? `${value}` : "";
    return text === "" ? null : text;
  }

  whole(option: string, fallback: number, min: number): number {
    const text = this.text(option);
    if (text === null) return fallback;
    const value = parseInteger(text);
    if (value === null) this.error(option, `${quote(text)} is not a whole number`);
    else if (value < min) this.error(option, `${value} is less than ${min}`);
    return value ?? fallback;
  }

  bool(option: string): boolean {
    const text = this.text(option);
    if (text === null) return false;
    const value = parseBool(text);
    if (value === null) this.error(option, `${quote(text)} is not yes or no (also true, on, 1; false, off, 0)`);
    return value ?? false;
  }

  given(): Given {
    const plain = Object.entries(this.#options).filter(([option]) => option !== "class");
    return Object.fromEntries(plain) as Given;
  }
}
