/**
 * The journal as a file of the state directory. Appending does not wait for the disk: what was written survives the
 * agent, and after a power cut there is no worker left to adopt.
 *
 * A journal that cannot be written harms nobody: it is said once, the first line is marked if that is still possible,
 * and what happens from then on cannot be adopted later, until there is room to write all of it anew.
 */
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { replaceFile, writeAll } from "../durable-file.ts";
import { encodeRecord, type JournalRecord } from "./records.ts";
import { JournalTable, type Replay, replay } from "./table.ts";

const FILE = "journal";
/** It is written anew when it has so many lines, and twice as many as it needs. */
const LINES_MIN = 4096;
/** Between two attempts to write all of it anew where it could not be written. */
const RETRY_MS = 1000;
const WHOLE = `"whole":`;

export interface JournalOptions {
  readonly stateDir: string;
  /** See `JournalRecord`. */
  readonly boot: string;
  readonly log: Logger;
}

export class Journal implements Disposable {
  readonly #options: JournalOptions;
  readonly #table: JournalTable;
  #fd = -1;
  #isClosed = false;
  #lines = 0;
  /** Lines from which on it is written anew. */
  #linesMax = LINES_MIN;
  /** It cannot be written; the next attempt is due. */
  #retry: NodeJS.Timeout | null = null;
  /** Hears why it cannot be written, each time that this begins. */
  onFailure: (reason: string) => void = () => undefined;

  private constructor(options: JournalOptions, table: JournalTable) {
    this.#options = options;
    this.#table = table;
  }

  /**
   * Reads what the last agent left and goes on from there. Never throws.
   *
   * @returns `left` null: there was no journal
   */
  static open(options: JournalOptions): { readonly journal: Journal; readonly left: Replay | null } {
    const left = read(options);
    const journal = new Journal(options, tableOf(left, options.boot));
    journal.#rewrite();
    return { journal, left };
  }

  get table(): JournalTable {
    return this.#table;
  }

  /** Nothing of what it says holds any more. */
  reset(): void {
    this.#table.apply({ t: "end" });
    this.settled();
  }

  /** What was missing in it has been looked after: from now on it is whole. */
  settled(): void {
    this.#table.isWhole = true;
    this.#rewrite();
  }

  /** On its way to the disk, in this order, when this returns. */
  append(...records: readonly JournalRecord[]): void {
    for (const record of records) this.#table.apply(record);
    if (records.length === 0 || this.#retry !== null || this.#isClosed) return;
    try {
      writeAll(this.#fd, Buffer.from(records.map(encodeRecord).join("")));
      this.#lines += records.length;
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#lines > this.#linesMax) this.#rewrite();
  }

  /** What is in it stays; nothing is written any more. Harmless twice. */
  [Symbol.dispose](): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#isClosed = true;
  }

  /** All of it, as short as it can be; nothing of the old one is lost where that fails. */
  #rewrite(): void {
    const { stateDir, boot, log } = this.#options;
    const records = this.#table.records(boot);
    try {
      replaceFile(stateDir, FILE, records.map(encodeRecord).join(""), false);
      const fd = openSync(join(stateDir, FILE), "a", 0o600);
      if (this.#fd >= 0) closeSync(this.#fd);
      this.#fd = fd;
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#lines = records.length;
    this.#linesMax = Math.max(LINES_MIN, 2 * records.length);
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#retry = null;
    log.info("the journal is whole again", { file: join(stateDir, FILE) });
  }

  #fail(error: unknown): void {
    const { stateDir, log } = this.#options;
    const isNews = this.#retry === null;
    if (this.#retry !== null) clearTimeout(this.#retry);
    // Also where nothing happens meanwhile: the next agent needs all of it.
    this.#retry = setTimeout(() => this.#rewrite(), RETRY_MS).unref();
    if (!isNews) return;
    const reason = reasonOf(error);
    log.error("cannot write the journal: the workers run on, but a later circusd could not adopt what changes now", {
      ...{ file: join(stateDir, FILE), reason },
    });
    markTorn(join(stateDir, FILE));
    this.onFailure(reason);
  }
}

/** Nothing of another boot lives. Where nobody can say which boot it was, something may. */
function tableOf(left: Replay | null, boot: string): JournalTable {
  if (left?.table.boot === boot) return left.table;
  const table = new JournalTable();
  table.isWhole = left === null || left.table.boot !== null;
  return table;
}

function read({ stateDir, log }: JournalOptions): Replay | null {
  const path = join(stateDir, FILE);
  try {
    return replay(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    log.error("cannot read the journal of the last circusd", { file: path, reason: reasonOf(error) });
    putAside(path);
    const table = new JournalTable();
    table.isWhole = false;
    return { table, records: 0, garbage: [1] };
  }
}

function putAside(path: string): void {
  try {
    renameSync(path, `${path}.bad`);
  } catch {
    // Then it cannot be written either, which is said too.
  }
}

/** In place, which a full disk permits. */
function markTorn(path: string): void {
  let fd = -1;
  try {
    const head = readFileSync(path, "latin1").split("\n", 1)[0] ?? "";
    const at = head.indexOf(WHOLE);
    if (at < 0) return;
    fd = openSync(path, "r+");
    writeSync(fd, "0", at + WHOLE.length);
  } catch {
    // A file system that takes nothing at all; the log has said what that means.
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
