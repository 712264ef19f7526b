/**
 * What an agent keeps of configuration files, in `config/` of its state directory: texts by their hashes, those that are
 * staged, and what was put in place by whom. All of it is bounded; a text that nothing names any more is removed.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type ConfigEntry, configEntry, type Logger, type Millis, parse, reasonOf, v } from "@circus-cluster/proto";
import { replaceFile } from "../durable-file.ts";
import { hashOf } from "./place.ts";

/** Former files that can be come back to. */
const KEPT_MAX = 10;
const ENTRIES_MAX = 50;
const STAGED_MAX = 5;
const INDEX = "index.json";
const HASH = /^[0-9a-f]{64}$/;

/** A file that was checked, and waits. */
export interface Staged {
  readonly version: string;
  readonly file: string;
  /** Of the file that it may take the place of. */
  readonly base: string;
  readonly time: Millis;
}

interface Index {
  /** Oldest first, as are those. */
  readonly entries: readonly ConfigEntry[];
  readonly staged: readonly Staged[];
  /** Under way, or interrupted by the end of the agent: it counts if its file is there. */
  readonly pending: ConfigEntry | null;
}

const hash = v.pipe(v.string(), v.regex(HASH));
const index = v.object({
  entries: v.array(configEntry),
  staged: v.array(v.object({ version: hash, file: hash, base: hash, time: v.number() })),
  pending: v.nullable(configEntry),
});

export class Versions {
  readonly #dir: string;
  readonly #log: Logger;
  #index: Index | null = null;

  constructor(stateDir: string, log: Logger) {
    this.#dir = join(stateDir, "config");
    this.#log = log;
  }

  /** @param present hash of the file as it is now */
  entries(present: string): readonly ConfigEntry[] {
    const { entries, pending } = this.#read();
    return pending?.file === present ? [...entries, pending] : entries;
  }

  staged(version: string): Staged | null {
    return this.#read().staged.findLast((one) => one.version === version) ?? null;
  }

  /** Null: it is not kept. A text that is not what its name says is none. */
  text(file: string): string | null {
    if (!HASH.test(file)) return null;
    try {
      const text = readFileSync(join(this.#dir, `${file}.ini`), "utf8");
      return hashOf(text) === file ? text : null;
    } catch {
      return null;
    }
  }

  /** @throws the system's error; then nothing is kept that was not before */
  stage(staged: Staged, text: string): void {
    const index = this.#read();
    this.#keep(staged.file, text);
    const rest = index.staged.filter(({ version }) => version !== staged.version);
    this.#write({ ...index, staged: [...rest, staged].slice(-STAGED_MAX) });
  }

  /** Before the file is replaced. @param former text of `pending.base` @throws the system's error */
  begin(pending: ConfigEntry, former: string): void {
    this.#keep(pending.base, former);
    this.#write({ ...this.#read(), pending });
  }

  /** It is done, or the file before it is back. @throws the system's error */
  end(isDone: boolean): void {
    const { entries, staged, pending } = this.#read();
    const all = isDone && pending !== null ? [...entries, pending] : entries;
    this.#write({ entries: all.slice(-ENTRIES_MAX), staged, pending: null });
  }

  #keep(file: string, text: string): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    if (this.text(file) === null) replaceFile(this.#dir, `${file}.ini`, text, true);
  }

  #read(): Index {
    this.#index ??= this.#load();
    return this.#index;
  }

  #load(): Index {
    try {
      const parsed = parse(index, JSON.parse(readFileSync(join(this.#dir, INDEX), "utf8")));
      if (parsed.ok) return parsed.value;
      this.#log.warning("what was pushed before cannot be read", { dir: this.#dir });
    } catch (error) {
      const isNone = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!isNone) this.#log.warning("what was pushed before cannot be read", { reason: reasonOf(error) });
    }
    return { entries: [], staged: [], pending: null };
  }

  #write(next: Index): void {
    replaceFile(this.#dir, INDEX, `${JSON.stringify(next)}\n`, true);
    this.#index = next;
    const { entries, pending } = next;
    const kept = [...entries, ...(pending === null ? [] : [pending])]
      .slice(-KEPT_MAX)
      .flatMap(({ file, base }) => [file, base]);
    const named = new Set([...kept, ...next.staged.map(({ file }) => file)].map((file) => `${file}.ini`));
    for (const name of readdirSync(this.#dir)) {
      if (name.endsWith(".ini") && !named.has(name)) rmSync(join(this.#dir, name), { force: true });
    }
  }
}
