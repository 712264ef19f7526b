/**
 * Who stopped which watcher by hand, kept in the state directory: over a crash, an upgrade and a reboot such a
 * watcher stays stopped until somebody starts it (design §3). Nothing else of a watcher's changes is kept:
 * after a start the configuration file decides again.
 */
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { replaceFile } from "../durable-file.ts";
import { intentText } from "../watcher/intent.ts";
import type { Intent } from "../watcher/state.ts";

const FILE = "intents.json";

export class Intents {
  readonly #stateDir: string | null;
  readonly #log: Logger;
  readonly #stopped: Map<string, Intent>;

  private constructor(stateDir: string | null, log: Logger, stopped: Map<string, Intent>) {
    this.#stateDir = stateDir;
    this.#log = log;
    this.#stopped = stopped;
  }

  /**
   * Reads what is kept. A file that cannot be read is put aside and said so: better all watchers than none.
   *
   * @param stateDir null: nothing is kept beyond this life
   */
  static open(stateDir: string | null, log: Logger): Intents {
    if (stateDir === null) return new Intents(null, log, new Map());
    const path = join(stateDir, FILE);
    let stopped = new Map<string, Intent>();
    try {
      stopped = parseIntents(readFileSync(path, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        log.error("cannot read which watchers were stopped by hand; all will start", {
          file: path,
          reason: reasonOf(error),
        });
        putAside(path);
      }
    }
    return new Intents(stateDir, log, stopped);
  }

  get(watcher: string): Intent | null {
    return this.#stopped.get(watcher) ?? null;
  }

  /** @param intent null: it is wanted again */
  set(watcher: string, intent: Intent | null): void {
    if (intent === null) this.#stopped.delete(watcher);
    else this.#stopped.set(watcher, intent);
    if (this.#stateDir === null) return;
    try {
      const text = `${JSON.stringify({ v: 1, stopped: Object.fromEntries(this.#stopped) })}\n`;
      replaceFile(this.#stateDir, FILE, text, true);
    } catch (error) {
      this.#log.error("cannot keep who stopped a watcher; after a restart of the agent it may run", {
        watcher,
        reason: reasonOf(error),
      });
    }
  }

  /** One line for each watcher that therefore is not started. */
  tell(watchers: readonly string[]): void {
    for (const watcher of watchers) {
      const intent = this.get(watcher);
      if (intent !== null) this.#log.warning("watcher stays stopped", { watcher, reason: intentText(intent) });
    }
  }
}

/** @throws Error where the text is no such file */
function parseIntents(text: string): Map<string, Intent> {
  const root: unknown = JSON.parse(text);
  const stopped = fieldOf(root, "stopped");
  if (fieldOf(root, "v") !== 1 || typeof stopped !== "object" || stopped === null) throw new Error("not of version 1");
  return new Map(
    Object.entries(stopped).map(([name, entry]: [string, unknown]) => {
      const [actor, command, at, why] = ["actor", "command", "at", "why"].map((key) => fieldOf(entry, key));
      if (typeof actor !== "string" || typeof at !== "number") throw new Error(`entry '${name}' is broken`);
      const textOf = (value: unknown) => (typeof value === "string" ? value : null);
      return [name, { actor, at, command: textOf(command), why: textOf(why) }];
    }),
  );
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

function putAside(path: string): void {
  try {
    renameSync(path, `${path}.bad`);
  } catch {
    // Then it is overwritten by the next wish; the log has said what was wrong.
  }
}
