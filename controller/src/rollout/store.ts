/**
 * Rollouts on disk. One transaction with `synchronous = FULL` per change: what was saved survives a power cut, and
 * only what was saved is ever sent.
 */
import type { RolloutOptions, RolloutRecord, RolloutStep } from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { FIRST_TRIAL, type RolloutCore, type Work } from "./state.ts";

type Head = Omit<RolloutRecord, "options" | "steps"> & { readonly options: string };

interface StoredStep {
  readonly host: string;
  readonly wave: number;
  readonly state: RolloutStep["state"];
  readonly command_id: string;
  readonly generation_before: number | null;
  readonly pids_before: string;
  readonly pids_after: string;
  readonly reason: string | null;
  readonly updated: number;
  readonly health_left: number;
  readonly soak_left: number;
}

const HEAD = "id, command, watcher, actor, created, ended, state, reason, options";

export class RolloutStore {
  readonly #db: Database;
  readonly #writeHead: Statement;
  readonly #writeStep: Statement;
  readonly #one: Statement<[string], Head>;
  readonly #recent: Statement<[number], Head>;
  readonly #running: Statement<[], Head>;
  readonly #steps: Statement<[string], StoredStep>;
  /** Steps as they were saved last, of rollouts that run: only changed ones are written. */
  readonly #saved = new Map<string, readonly Work[]>();

  constructor(db: Database) {
    this.#db = db;
    this.#writeHead = db.prepare(
      `INSERT INTO rollout(${HEAD})
       VALUES(@id, @command, @watcher, @actor, @created, @ended, @state, @reason, @options)
       ON CONFLICT DO UPDATE SET ended = @ended, state = @state, reason = @reason`,
    );
    this.#writeStep = db.prepare("INSERT OR REPLACE INTO step VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)");
    this.#one = db.prepare(`SELECT ${HEAD} FROM rollout WHERE id = ?`);
    this.#recent = db.prepare(`SELECT ${HEAD} FROM rollout ORDER BY created DESC, id DESC LIMIT ?`);
    this.#running = db.prepare(`SELECT ${HEAD} FROM rollout WHERE state = 'running' ORDER BY created, id`);
    this.#steps = db.prepare("SELECT * FROM step WHERE rollout = ? ORDER BY ord");
  }

  /** @throws the database's error; then nothing may be sent. */
  save(core: RolloutCore): void {
    const { id, command, watcher, actor, created, ended, state, reason, options } = core;
    const before = this.#saved.get(id) ?? [];
    this.#db
      .transaction(() => {
        const head = { id, command, watcher, actor, created, ended, state, reason, options: JSON.stringify(options) };
        this.#writeHead.run(head);
        for (const [ord, work] of core.steps.entries()) if (work !== before[ord]) this.#write(id, ord, work);
      })
      .immediate();
    if (state === "running") this.#saved.set(id, core.steps);
    else this.#saved.delete(id);
  }

  /** Newest first. */
  list(limit: number): readonly RolloutRecord[] {
    return this.#recent.all(limit).map((head) => this.#record(head));
  }

  show(id: string): RolloutRecord | null {
    const head = this.#one.get(id);
    return head === undefined ? null : this.#record(head);
  }

  /** Who started it; null: no such rollout. */
  actor(id: string): string | null {
    return this.#one.get(id)?.actor ?? null;
  }

  /** Those that a controller before this one did not end, as it saved them. */
  open(): readonly RolloutCore[] {
    return this.#running.all().map((head) => {
      const { options, ...rest } = head;
      const steps = this.#steps.all(head.id).map(
        (row): Work => ({
          ...stepOf(row),
          healthLeftMs: row.health_left,
          soakLeftMs: row.soak_left,
          trial: FIRST_TRIAL,
        }),
      );
      return { ...rest, options: optionsOf(options), steps, sights: new Map(), isOnline: true, unsavedMs: 0 };
    });
  }

  #write(id: string, ord: number, work: Work): void {
    this.#writeStep.run(
      ...[id, ord, work.host, work.wave, work.state, work.commandId, work.generationBefore],
      ...[JSON.stringify(work.pidsBefore), JSON.stringify(work.pidsAfter), work.reason, work.updated],
      ...[Math.round(work.healthLeftMs), Math.round(work.soakLeftMs)],
    );
  }

  #record({ options, ...head }: Head): RolloutRecord {
    return { ...head, options: optionsOf(options), steps: this.#steps.all(head.id).map(stepOf) };
  }
}

function optionsOf(text: string): RolloutOptions {
  return JSON.parse(text) as RolloutOptions;
}

function stepOf(row: StoredStep): RolloutStep {
  return {
    host: row.host,
    wave: row.wave,
    state: row.state,
    commandId: row.command_id,
    generationBefore: row.generation_before,
    pidsBefore: JSON.parse(row.pids_before) as number[],
    pidsAfter: JSON.parse(row.pids_after) as number[],
    reason: row.reason,
    updated: row.updated,
  };
}
