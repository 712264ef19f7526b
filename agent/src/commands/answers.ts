/**
 * What became of each command of the fleet, by its id, so that a repeat gets the first answer and nothing is
 * done twice (design §4). Kept in `answers.jsonl`; also the highest fence seen.
 *
 * Invariants: (1) a command is on disk as accepted before it is begun; (2) an id stands for one command with
 * one set of properties, for whoever repeats it (a new leader repeats under its own name); (3) the agent that
 * finds an accepted command without a result does not know how far it came, and does it again only where
 * that is harmless: it says `newer_than`, or sets what is absolute.
 */
import { createHash } from "node:crypto";
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  type Clock,
  type CommandAnswer,
  type CommandEnvelope,
  commandAnswer,
  compareFences,
  type ErrorCode,
  type Fence,
  type Logger,
  parse,
  reasonOf,
  v,
} from "@circus-cluster/proto";
import { replaceFile, writeAll } from "../durable-file.ts";

/** Answers remembered, and for how long. */
export const ANSWERS_MAX = 1000;
const AGE_MAX_MS = 24 * 3_600_000;
const FILE = "answers.jsonl";

/** What is to be done with a command. */
export type Claim =
  /** Begin it, then call `finish`. */
  | { readonly kind: "new" }
  /** It runs; its answer is the answer. */
  | { readonly kind: "running"; readonly answer: Promise<CommandAnswer> }
  | { readonly kind: "answered"; readonly answer: CommandAnswer }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly reason: string };

interface Entry {
  readonly id: string;
  /** Of command and properties. */
  readonly hash: string;
  /** Wall ms of its acceptance. */
  readonly time: number;
  answer: CommandAnswer | null;
  /** Set while it runs in this life of the agent. */
  running: { readonly promise: Promise<CommandAnswer>; readonly settle: (answer: CommandAnswer) => void } | null;
}

const line = v.variant("t", [
  v.strictObject({ t: v.literal("accepted"), id: v.string(), hash: v.string(), time: v.number() }),
  v.strictObject({ t: v.literal("result"), id: v.string(), answer: commandAnswer }),
  v.strictObject({ t: v.literal("fence"), bucket: v.number(), revision: v.number() }),
]);
type Line = v.InferOutput<typeof line>;

export interface AnswersOptions {
  readonly stateDir: string;
  readonly clock: Pick<Clock, "wall">;
  readonly log: Logger;
}

export class Answers {
  readonly #options: AnswersOptions;
  /** In the order of acceptance. */
  readonly #entries = new Map<string, Entry>();
  #fence: Fence | null = null;
  #fd = -1;
  /** Lines in the file. */
  #lines = 0;

  private constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** @throws the system's error where the file cannot be read or written. */
  static open(options: AnswersOptions): Answers {
    mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
    const answers = new Answers(options);
    answers.#load();
    answers.#rewrite();
    return answers;
  }

  /**
   * Decides on a command that passed all checks; `new` is on disk as accepted when this returns.
   * Never throws: a disk that cannot be written refuses the command.
   */
  claim(envelope: CommandEnvelope): Claim {
    const hash = hashOf(envelope);
    const known = this.#entries.get(envelope.id);
    if (known !== undefined) return this.#repeat(known, hash, envelope);
    this.#forgetOld();
    if (this.#entries.size >= ANSWERS_MAX) {
      return { kind: "refused", code: "conflict", reason: `${ANSWERS_MAX} commands are running` };
    }
    const entry: Entry = { id: envelope.id, hash, time: this.#options.clock.wall(), answer: null, running: null };
    const { id, time } = entry;
    const problem = this.#write({ t: "accepted", id, hash, time });
    if (problem !== null) return { kind: "refused", code: "os", reason: `the command cannot be recorded: ${problem}` };
    this.#entries.set(id, entry);
    entry.running = makeRunning();
    return { kind: "new" };
  }

  /** The end of a command that was claimed as new; tells those who joined it. */
  finish(answer: CommandAnswer): void {
    const entry = this.#entries.get(answer.id);
    const running = entry?.running ?? null;
    if (entry === undefined || running === null) return;
    entry.answer = answer;
    entry.running = null;
    const problem = this.#write({ t: "result", id: answer.id, answer });
    if (problem !== null) this.#options.log.error("an answer cannot be recorded", { id: answer.id, reason: problem });
    running.settle(answer);
    if (this.#lines > 4 * ANSWERS_MAX) {
      try {
        this.#rewrite();
      } catch (error) {
        this.#options.log.error("the answers cannot be rewritten", { reason: reasonOf(error) });
      }
    }
  }

  /**
   * Is this leader not behind one that was seen before? A higher fence is stored before the answer is yes.
   *
   * @returns null where it may go on, else the reason.
   */
  checkFence(fence: Fence): string | null {
    const seen = this.#fence;
    const order = seen === null ? 1 : compareFences(fence, seen);
    if (order < 0) return "a newer leader has given commands already";
    if (order === 0) return null;
    const problem = this.#write({ t: "fence", bucket: fence.bucket, revision: fence.revision });
    if (problem !== null) return `the leader's number cannot be recorded: ${problem}`;
    this.#fence = fence;
    return null;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #repeat(known: Entry, hash: string, envelope: CommandEnvelope): Claim {
    if (known.hash !== hash) {
      return { kind: "refused", code: "conflict", reason: `the id ${known.id} was used for another command` };
    }
    if (known.answer !== null) return { kind: "answered", answer: known.answer };
    if (known.running !== null) return { kind: "running", answer: known.running.promise };
    if (!isHarmlessTwice(envelope)) {
      return {
        kind: "refused",
        code: "failed",
        reason: "interrupted: the agent ended before the command did; how far it came is not known",
      };
    }
    known.running = makeRunning();
    return { kind: "new" };
  }

  #forgetOld(): void {
    const bound = this.#options.clock.wall() - AGE_MAX_MS;
    for (const [id, entry] of this.#entries) {
      const isOld = entry.time < bound || this.#entries.size >= ANSWERS_MAX;
      if (isOld && entry.running === null) this.#entries.delete(id);
    }
  }

  /** @returns null where it is on disk, else why not. */
  #write(record: Line): string | null {
    try {
      writeAll(this.#fd, Buffer.from(`${JSON.stringify(record)}\n`));
      fdatasyncSync(this.#fd);
      this.#lines++;
      return null;
    } catch (error) {
      // Half a line would swallow the next one; an empty line between them does no harm.
      this.#endLine();
      return reasonOf(error);
    }
  }

  #endLine(): void {
    try {
      writeSync(this.#fd, "\n");
    } catch {
      // No room for that either: reading skips what is no line.
    }
  }

  #load(): void {
    let text = "";
    try {
      text = readFileSync(join(this.#options.stateDir, FILE), "utf8");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
    for (const part of text.split("\n")) {
      const record = parseLine(part);
      if (record !== null) this.#take(record); // a torn tail is a normal case
    }
    this.#forgetOld();
  }

  #take(record: Line): void {
    switch (record.t) {
      case "accepted":
        this.#entries.set(record.id, { ...record, answer: null, running: null });
        return;
      case "result": {
        const entry = this.#entries.get(record.id);
        if (entry !== undefined) entry.answer = record.answer;
        return;
      }
      case "fence":
        this.#fence = { bucket: record.bucket, revision: record.revision };
        return;
      default:
        record satisfies never;
    }
  }

  /** Writes the file anew with what is still remembered. */
  #rewrite(): void {
    const records: Line[] = this.#fence === null ? [] : [{ t: "fence", ...this.#fence }];
    for (const { id, hash, time, answer } of this.#entries.values()) {
      records.push({ t: "accepted", id, hash, time });
      if (answer !== null) records.push({ t: "result", id, answer });
    }
    replaceFile(this.#options.stateDir, FILE, records.map((record) => `${JSON.stringify(record)}\n`).join(""), true);
    const fd = openSync(join(this.#options.stateDir, FILE), "a", 0o600);
    this.close();
    this.#fd = fd;
    this.#lines = records.length;
  }
}

const HARMLESS_TWICE: ReadonlySet<string> = new Set([
  ...["set", "start", "stop", "reloadconfig", "drain", "undrain"],
  ...["config-stage", "config-apply"],
]);

/**
 * `set` sets absolute values; a watcher that runs or is stopped already is not started or stopped again; hooks that take
 * it out of a balancer or back are told that they may be called again; a file that is read again has not changed, and one
 * that is put in place is there already.
 */
function isHarmlessTwice({ command, properties }: CommandEnvelope): boolean {
  return typeof properties["newer_than"] === "number" || HARMLESS_TWICE.has(command);
}

function makeRunning(): NonNullable<Entry["running"]> {
  let settle: (answer: CommandAnswer) => void = () => undefined;
  const promise = new Promise<CommandAnswer>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}

/** The same for the same command and properties, in whatever order they are written. */
function hashOf({ command, properties }: CommandEnvelope): string {
  const text = JSON.stringify([command, properties], (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash("sha256").update(text).digest("base64url");
}

function parseLine(text: string): Line | null {
  try {
    const parsed = parse(line, JSON.parse(text));
    return parsed.ok ? parsed.value : null;
  } catch {
    return null;
  }
}
