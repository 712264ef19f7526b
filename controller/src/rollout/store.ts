/**
 * Rollouts on disk. One transaction with `synchronous = FULL` per change: what was saved survives a power cut, and
 * only what was saved is ever sent.
 */
import {
  type Fence,
  ROLLOUT_DEFAULTS,
  type RolloutOptions,
  type RolloutRecord,
  type RolloutStep,
} from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { comparePlaces, headOfPieces, type Place, placeAfter, type Replica, type Row, type Saved } from "./replica.ts";
import {
  type Drain,
  FIRST_TRIAL,
  livingCore,
  type Progress,
  type RolloutCore,
  recordOf,
  type Values,
  type Work,
} from "./state.ts";

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
  readonly rollout: string;
  readonly ord: number;
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
  readonly drain: string | null;
}

const HEAD = "id, command, watcher, actor, created, ended, state, reason, options, more";
const PLACE = "bucket, revision, saves";
const STEP =
  "rollout, ord, host, wave, state, command_id, generation_before, pids_before, pids_after, reason, updated, " +
  "health_left, soak_left, outcome, wanted, before, spread, drain";

export class RolloutStore {
  readonly #db: Database;
  readonly #writeHead: Statement;
  readonly #writeStep: Statement;
  readonly #one: Statement<[string], Head>;
  readonly #recent: Statement<[number], Head>;
  readonly #running: Statement<[], Head>;
  readonly #steps: Statement<[string], StoredStep>;
  readonly #place: Statement<[string], Place & { readonly told: number }>;
  readonly #fence: Statement<[], Fence>;
  readonly #tell: Statement<[string]>;
  readonly #writeController: Statement<[string]>;
  readonly #controller: Statement<[string]>;
  readonly #untold: Statement<[number], Pick<Head, "id">>;
  readonly #writePiece: Statement;
  readonly #pieces: Statement<[string], { readonly text: string }>;
  readonly #dropPieces: Statement<[string]>;
  /** Steps as they were saved last, of rollouts that run: only changed ones are written. */
  readonly #saved = new Map<string, readonly Work[]>();

  constructor(db: Database) {
    this.#db = db;
    this.#writeHead = db.prepare(
      `INSERT INTO rollout(${HEAD}, ${PLACE}, told) VALUES(${`${HEAD}, ${PLACE}, told`.replace(/\w+/g, "@$&")})
       ON CONFLICT DO UPDATE SET ended = @ended, state = @state, reason = @reason, more = @more,
         bucket = @bucket, revision = @revision, saves = @saves, told = max(told, @told)`,
    );
    this.#writeStep = db.prepare(`INSERT OR REPLACE INTO step(${STEP}) VALUES(${STEP.replace(/\w+/g, "@$&")})`);
    this.#place = db.prepare(`SELECT ${PLACE}, told FROM rollout WHERE id = ?`);
    this.#untold = db.prepare("SELECT id FROM rollout WHERE bucket = 0 ORDER BY created DESC, id DESC LIMIT ?");
    this.#writePiece = db.prepare("INSERT OR REPLACE INTO piece(rollout, at, text) VALUES(?, ?, ?)");
    this.#pieces = db.prepare("SELECT text FROM piece WHERE rollout = ? ORDER BY at");
    this.#dropPieces = db.prepare("DELETE FROM piece WHERE rollout = ?");
    this.#fence = db.prepare(
      "SELECT bucket, revision FROM rollout WHERE bucket > 0 ORDER BY bucket DESC, revision DESC LIMIT 1",
    );
    this.#writeController = db.prepare("INSERT OR IGNORE INTO controller(name) VALUES(?)");
    this.#controller = db.prepare("SELECT 1 FROM controller WHERE name = ?");
    this.#tell = db.prepare("UPDATE rollout SET told = 1 WHERE id = ? AND told = 0");
    this.#one = db.prepare(`SELECT ${HEAD} FROM rollout WHERE id = ?`);
    this.#recent = db.prepare(`SELECT ${HEAD} FROM rollout ORDER BY created DESC, id DESC LIMIT ?`);
    this.#running = db.prepare(`SELECT ${HEAD} FROM rollout WHERE ended IS NULL ORDER BY created, id`);
    this.#steps = db.prepare(`SELECT ${STEP} FROM step WHERE rollout = ? ORDER BY ord`);
  }

  /**
   * @param fence of this leader; null: there is only one controller
   * @returns what was written, for the others
   * @throws the database's error; then nothing may be sent.
   */
  save(core: RolloutCore, fence: Fence | null = null): Saved {
    const { id, watcher } = core;
    const isKnown = this.#saved.has(id);
    const before = this.#saved.get(id) ?? [];
    const more = moreOf(core);
    const head = headOf(core, more);
    const steps = core.steps.flatMap((work, ord) => (work === before[ord] ? [] : [rowOf(id, ord, work)]));
    const place = placeAfter(this.#place.get(id) ?? null, fence);
    this.#db
      .transaction(() => {
        this.#writeHead.run({ ...head, ...place, told: fence === null ? 1 : 0 });
        for (const step of steps) this.#writeStep.run(step);
      })
      .immediate();
    if (core.ended === null) this.#saved.set(id, core.steps);
    else this.#saved.delete(id);
    const told = isKnown ? { ...head, more: JSON.stringify(withoutPlan(more)) } : { ...head };
    return { rollout: id, watcher, place, head: told, steps: steps.map((step) => ({ ...step })) };
  }

  /** The next saving of it writes all of it, for those who lack a part. */
  forget(id: string): void {
    this.#saved.delete(id);
  }

  /** Savings of other controllers, in the order of the stream. @returns the rollouts that are others now */
  take(replicas: readonly Replica[]): readonly string[] {
    const changed = new Set<string>();
    this.#db
      .transaction(() => {
        for (const { rollout, controller, place, steps, ...rest } of replicas) {
          this.#writeController.run(controller);
          const last = this.#place.get(rollout);
          if (last !== undefined && comparePlaces(place, last) < 0) continue;
          // A controller of an older version does not say who is out.
          for (const step of steps) this.#writeStep.run({ drain: null, ...step, rollout });
          const head = rest.head ?? this.#takePiece(rollout, rest.piece);
          if (head !== null) this.#writeHead.run({ ...this.#withPlan(rollout, head), id: rollout, ...place, told: 1 });
          changed.add(rollout);
        }
      })
      .immediate();
    for (const id of changed) this.#saved.delete(id);
    return [...changed];
  }

  /** @returns the head, if it was the last piece */
  #takePiece(rollout: string, piece: Replica["piece"]): Row | null {
    if (piece === undefined) return null;
    if (piece.at === 0) this.#dropPieces.run(rollout);
    this.#writePiece.run(rollout, piece.at, piece.text);
    if (piece.at !== piece.of - 1) return null;
    const texts = this.#pieces.all(rollout).map(({ text }) => text);
    this.#dropPieces.run(rollout);
    return texts.length === piece.of ? headOfPieces(texts) : null;
  }

  #withPlan(rollout: string, head: Row): Row {
    const known = this.#one.get(rollout)?.more;
    const more = head["more"];
    if (known === undefined || typeof more !== "string") return head;
    return { ...head, more: JSON.stringify({ ...(JSON.parse(known) as object), ...(JSON.parse(more) as object) }) };
  }

  /** Those that no leader has told of yet, of a time with one controller; newest first. */
  untold(limit: number): readonly RolloutCore[] {
    return this.#untold.all(limit).flatMap(({ id }) => this.load(id) ?? []);
  }

  /** Has a controller of this name ever led a rollout that came from the stream? */
  isController(name: string): boolean {
    return this.#controller.get(name) !== undefined;
  }

  /** The highest that any saving was made with; null: none. */
  lastFence(): Fence | null {
    return this.#fence.get() ?? null;
  }

  /** The stream has it, and so do the others. */
  told(id: string): void {
    this.#tell.run(id);
  }

  isTold(id: string): boolean {
    return this.#place.get(id)?.told !== 0;
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

function headOf(core: RolloutCore, more: More): Head {
  const { id, command, watcher, actor, created, ended, state, reason } = core;
  const options = JSON.stringify(core.options);
  return { id, command, watcher, actor, created, ended, state, reason, options, more: JSON.stringify(more) };
}

function moreOf(core: RolloutCore): More {
  const { properties, hosts, where, floor, attempt, revision, waiting } = core;
  const { others, phase, ending, openWave, pauseLeftMs, deadlineLeftMs } = core;
  const asked: Omit<More, keyof Progress> = { properties, hosts, where, floor, attempt, revision, waiting };
  const progress: Progress = { others, phase, ending, openWave, pauseLeftMs, deadlineLeftMs };
  return { ...asked, ...progress };
}

/** What is of a plan is as long as it names hosts: told once, and kept by those who know it. */
function withoutPlan({ properties: _p, hosts: _h, where: _w, others: _o, ...progress }: More): Partial<More> {
  return progress;
}

function rowOf(rollout: string, ord: number, work: Work): StoredStep {
  const { host, wave, state, commandId, generationBefore, outcome, reason, updated, spreadValue } = work;
  return {
    ...{ rollout, ord, host, wave, state, outcome, reason, updated, spread: spreadValue },
    command_id: commandId,
    generation_before: generationBefore,
    pids_before: JSON.stringify(work.pidsBefore),
    pids_after: JSON.stringify(work.pidsAfter),
    health_left: Math.round(work.healthLeftMs),
    soak_left: Math.round(work.soakLeftMs),
    wanted: jsonOf(work.wanted),
    before: jsonOf(work.before),
    drain: jsonOf(work.drain),
  };
}

function jsonOf(values: Values | Drain | null): string | null {
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
    drain: row.drain === null ? null : (JSON.parse(row.drain) as Drain),
    trial: FIRST_TRIAL,
  };
}
