/**
 * Rollouts on disk. One transaction with `synchronous = FULL` per change: what was saved survives a power cut, and
 * only what was saved is ever sent.
 */
import { ROLLOUT_DEFAULTS, type RolloutOptions, type RolloutRecord, type RolloutStep } from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { FIRST_TRIAL, livingCore, type Progress, type RolloutCore, recordOf, type Values, type Work } from "./state.ts";

/** Columns of their own; the rest of the head is JSON, since nobody asks the database for it. */
type Head = Pick<RolloutRecord, "id" | "command" | "watcher" | "actor" | "created" | "ended" | "state" | "reason"> & {
  readonly options: string;
  readonly more: string;
};

type More = Progress &
  Pick<RolloutRecord, "properties" | "hosts" | "where" | "floor" | "attempt" | "revision" | "waiting">;

/** Of a rollout that a version before these fields began: it goes on as it was planned, without a floor. */
const MORE_DEFAULTS: More = {
  properties: {},
  hosts: null,
  where: null,
  floor: 0,
  attempt: 1,
  revision: 0,
  waiting: null,
  others: [],
  phase: "forward",
  ending: null,
  openWave: -1,
  pauseLeftMs: null,
  deadlineLeftMs: null,
};

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
  readonly outcome: RolloutStep["outcome"];
  readonly wanted: string | null;
  readonly before: string | null;
  readonly spread: string | null;
}

const HEAD = "id, command, watcher, actor, created, ended, state, reason, options, more";
const STEP =
  "rollout, ord, host, wave, state, command_id, generation_before, pids_before, pids_after, reason, updated, " +
  "health_left, soak_left, outcome, wanted, before, spread";

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
       VALUES(@id, @command, @watcher, @actor, @created, @ended, @state, @reason, @options, @more)
       ON CONFLICT DO UPDATE SET ended = @ended, state = @state, reason = @reason, more = @more`,
    );
    this.#writeStep = db.prepare(`INSERT OR REPLACE INTO step(${STEP}) VALUES(${STEP.replace(/\w+/g, "?")})`);
    this.#one = db.prepare(`SELECT ${HEAD} FROM rollout WHERE id = ?`);
    this.#recent = db.prepare(`SELECT ${HEAD} FROM rollout ORDER BY created DESC, id DESC LIMIT ?`);
    this.#running = db.prepare(`SELECT ${HEAD} FROM rollout WHERE ended IS NULL ORDER BY created, id`);
    this.#steps = db.prepare(`SELECT ${STEP} FROM step WHERE rollout = ? ORDER BY ord`);
  }

  /** @throws the database's error; then nothing may be sent. */
  save(core: RolloutCore): void {
    const { id } = core;
    const before = this.#saved.get(id) ?? [];
    this.#db
      .transaction(() => {
        this.#writeHead.run(headOf(core));
        for (const [ord, work] of core.steps.entries()) if (work !== before[ord]) this.#write(id, ord, work);
      })
      .immediate();
    if (core.ended === null) this.#saved.set(id, core.steps);
    else this.#saved.delete(id);
  }

  /** Newest first. */
  list(limit: number): readonly RolloutRecord[] {
    return this.#recent.all(limit).map((head) => recordOf(this.#core(head)));
  }

  show(id: string): RolloutRecord | null {
    const core = this.load(id);
    return core === null ? null : recordOf(core);
  }

  /** As it was saved last. */
  load(id: string): RolloutCore | null {
    const head = this.#one.get(id);
    return head === undefined ? null : this.#core(head);
  }

  /** Who started it; null: no such rollout. */
  actor(id: string): string | null {
    return this.#one.get(id)?.actor ?? null;
  }

  /** Those that a controller before this one did not end, as it saved them. */
  open(): readonly RolloutCore[] {
    return this.#running.all().map((head) => this.#core(head));
  }

  #write(rollout: string, ord: number, work: Work): void {
    const { host, wave, state, commandId, generationBefore, outcome, reason, updated, spreadValue } = work;
    this.#writeStep.run(
      ...[rollout, ord, host, wave, state, commandId, generationBefore],
      ...[JSON.stringify(work.pidsBefore), JSON.stringify(work.pidsAfter), reason, updated],
      ...[Math.round(work.healthLeftMs), Math.round(work.soakLeftMs)],
      ...[outcome, jsonOf(work.wanted), jsonOf(work.before), spreadValue],
    );
  }

  #core({ options, more, ...head }: Head): RolloutCore {
    const stored = { ...MORE_DEFAULTS, ...(JSON.parse(more) as Partial<More>) };
    const steps = this.#steps.all(head.id).map(workOf);
    const isOld = more === "{}";
    // What an older version has begun needs no pause before it.
    const begun = steps.filter((step) => step.state !== "pending").map((step) => step.wave);
    const openWave = isOld ? Math.max(-1, ...begun) : stored.openWave;
    const all: RolloutOptions = { ...ROLLOUT_DEFAULTS, ...(JSON.parse(options) as Partial<RolloutOptions>) };
    return livingCore({ ...head, ...stored, openWave, options: all, steps });
  }
}

function headOf(core: RolloutCore): Head {
  const { id, command, watcher, actor, created, ended, state, reason, options } = core;
  const { properties, hosts, where, floor, attempt, revision, waiting } = core;
  const { others, phase, ending, openWave, pauseLeftMs, deadlineLeftMs } = core;
  const asked: Omit<More, keyof Progress> = { properties, hosts, where, floor, attempt, revision, waiting };
  const progress: Progress = { others, phase, ending, openWave, pauseLeftMs, deadlineLeftMs };
  const more = JSON.stringify({ ...asked, ...progress } satisfies More);
  return { id, command, watcher, actor, created, ended, state, reason, options: JSON.stringify(options), more };
}

function jsonOf(values: Values | null): string | null {
  return values === null ? null : JSON.stringify(values);
}

function valuesOf(text: string | null): Values | null {
  return text === null ? null : (JSON.parse(text) as Values);
}

function workOf(row: StoredStep): Work {
  return {
    host: row.host,
    wave: row.wave,
    state: row.state,
    commandId: row.command_id,
    generationBefore: row.generation_before,
    pidsBefore: JSON.parse(row.pids_before) as number[],
    pidsAfter: JSON.parse(row.pids_after) as number[],
    outcome: row.outcome,
    reason: row.reason,
    updated: row.updated,
    healthLeftMs: row.health_left,
    soakLeftMs: row.soak_left,
    wanted: valuesOf(row.wanted),
    before: valuesOf(row.before),
    spreadValue: row.spread,
    trial: FIRST_TRIAL,
  };
}
