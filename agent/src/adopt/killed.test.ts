/**
 * An agent killed at any instruction: the journal is cut at any byte, processes live on or die meanwhile, others get
 * their numbers, and the next agent must own every living worker once and come to what is wanted. The watchers' core, the
 * journal and the plan are the real ones; the clock and the processes are made up.
 */
import { makeLogger } from "@circus-cluster/proto";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Journal } from "../journal/journal.ts";
import { encodeRecord, type JournalRecord } from "../journal/records.ts";
import { JournalTable, replay } from "../journal/table.ts";
import { WorkerJournal } from "../journal/worker-journal.ts";
import type { ProcessExit, WatcherDeps } from "../watcher/deps.ts";
import { NOBODY } from "../watcher/state.ts";
import { createWatcher, type Watcher } from "../watcher/watcher.ts";
import { TEST_CONFIG } from "../watcher/world.fixture.ts";
import { legacyOf } from "./legacy.ts";
import { type ProcessFact, survey } from "./survey.ts";

const CONFIG = { ...TEST_CONFIG, numprocesses: 2, gracefulTimeoutS: 2 };
const FOREIGN = 1_000_000;

/** The kernel: its processes outlive agents. */
class Host {
  nowMs = 0;
  lastPid = 0;
  /** By pid. A foreign one has taken a number of ours. */
  readonly alive = new Map<number, { readonly ticks: number; readonly id: string | null; isStubborn: boolean }>();

  fork(id: string | null): number {
    const pid = ++this.lastPid;
    this.alive.set(pid, { ticks: pid * 7, id, isStubborn: false });
    return pid;
  }

  own(): readonly number[] {
    return [...this.alive].filter(([, { ticks }]) => ticks < FOREIGN).map(([pid]) => pid);
  }

  facts(): ReadonlyMap<number, ProcessFact> {
    return new Map([...this.alive].map(([pid, { ticks }]) => [pid, { pid, ticks, end: null }]));
  }

  byId(): ReadonlyMap<string, ProcessFact> {
    return new Map(
      [...this.alive].flatMap(([pid, { ticks, id }]) => (id === null ? [] : [[id, { pid, ticks, end: null }]])),
    );
  }
}

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/** One life of an agent with one watcher; it is killed after so many instructions, and does nothing from then on. */
class Life {
  readonly watcher: Watcher;
  /** What it has written. */
  text: string;
  readonly #host: Host;
  readonly #exits = new Map<number, (exit: ProcessExit) => void>();
  readonly #timers = new Set<Timer>();
  #left: number;
  readonly #tornAt: number;

  constructor(host: Host, text: string, instructions: number, tornAt: number) {
    this.#host = host;
    this.#left = instructions;
    this.#tornAt = tornAt;
    const { table } = replay(text);
    this.text = table.records("boot").map(encodeRecord).join("");
    const findings = survey(table, host.facts(), host.byId());
    // Every living worker is found, once.
    const found = findings.flatMap(({ living }) => living.map(({ pid }) => pid));
    expect([...found].sort((a, b) => a - b)).toEqual(host.own());
    const file = { table, append: (...records: readonly JournalRecord[]) => this.#append(table, records) };
    const journal = new WorkerJournal(file as unknown as Journal, "own", 0);
    const heir = findings.find(({ name }) => name === CONFIG.name);
    this.watcher = createWatcher(heir?.entry.config ?? CONFIG, this.#deps(journal));
    journal.configured(heir?.entry.written ?? CONFIG, this.watcher.config, false);
    if (heir === undefined) return;
    const now = { nowMs: host.nowMs, wallMs: host.nowMs, zeroMs: 0, chance: () => 0 };
    const dead = [...heir.entry.slots.keys()].filter((wid) => !heir.living.some(({ slot }) => slot.wid === wid));
    journal.gone(CONFIG.name, dead);
    const none = { notify: null, stdout: null, stderr: null };
    this.watcher.adopt(
      legacyOf(heir, now),
      heir.living.map(({ pid, slot: { wid } }) => ({ pid, wid, ...none })),
    );
  }

  /** Time passes; timers fire and processes end in their order. */
  pass(ms: number): void {
    const endMs = this.#host.nowMs + ms;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers.delete(next);
      this.#host.nowMs = Math.max(this.#host.nowMs, next.atMs);
      next.fire();
    }
    this.#host.nowMs = endMs;
  }

  die(pid: number): void {
    if (!this.#host.alive.delete(pid)) return;
    this.#exits.get(pid)?.({ code: null, signal: 9 });
  }

  /** False: it is dead. */
  #lives(): boolean {
    return --this.#left >= 0;
  }

  /** Killed in the middle of it, it leaves some of the bytes. */
  #append(table: JournalTable, records: readonly JournalRecord[]): void {
    if (records.length === 0) return;
    const text = records.map(encodeRecord).join("");
    if (this.#left === 0) this.text += text.slice(0, this.#tornAt % text.length);
    if (!this.#lives()) return;
    this.text += text;
    for (const record of records) table.apply(record);
  }

  #hit(pid: number, signum: number): void {
    if (!this.#lives()) return;
    const process = this.#host.alive.get(pid);
    if (process === undefined || process.ticks >= FOREIGN) throw new Error(`${pid} is none of ours`);
    if (process.isStubborn && signum !== 9) return;
    this.#timers.add({ atMs: this.#host.nowMs + 1, fire: () => this.die(pid) });
  }

  #deps(journal: WorkerJournal): WatcherDeps {
    const nothing = (): void => undefined;
    const host = this.#host;
    return {
      spawn: ({ config, wid }, onExit) => {
        const id = journal.intend(config.name, wid, null, { stdout: null, stderr: null });
        if (!this.#lives()) return { ok: false, reason: "dead" };
        const pid = host.fork(id);
        this.#exits.set(pid, onExit);
        journal.born(config.name, wid, pid, pid * 7);
        return { ok: true, pid, startedMs: host.nowMs };
      },
      attend: ({ pid }, _config, onExit) => void this.#exits.set(pid, onExit),
      signal: (pid, signum) => this.#hit(pid, signum),
      killGroup: (pid, signum) => this.#hit(pid, signum),
      signalChildren: () => [],
      watchHealth: () => null,
      callHook: () => nothing,
      stateTurned: (before, after) => journal.turned(before, after),
      configTurned: (config) => journal.configured(CONFIG, config, false),
      ...{ healthTurned: nothing, statusTurned: nothing, intend: nothing, escalate: nothing },
      outputAtRest: () => Promise.resolve(),
      setTimer: (delayMs, fire) => {
        const timer = { atMs: host.nowMs + delayMs, fire };
        this.#timers.add(timer);
        return timer;
      },
      clearTimer: (timer) => void this.#timers.delete(timer as Timer),
      ...{ now: () => host.nowMs, wall: () => host.nowMs, random: () => 0 },
      bus: { emit: () => 0, publish: nothing },
      log: makeLogger(nothing),
    };
  }
}

type Op = readonly [
  "start" | "stop" | "restart" | "reload" | "sequential" | "incr" | "decr" | "die" | "pass" | "stubborn",
  number,
];

const op: fc.Arbitrary<Op> = fc.tuple(
  fc.constantFrom("start", "stop", "restart", "reload", "sequential", "incr", "decr", "die", "pass", "stubborn"),
  fc.nat(5000),
);

function perform(life: Life, host: Host, [kind, n]: Op): void {
  const ignore = (promise: Promise<unknown>): void => void promise.catch(() => undefined);
  const own = host.own();
  const pid = own[n % Math.max(1, own.length)];
  const { watcher } = life;
  const reload = { graceful: true, newerThan: null };
  if (kind === "start") ignore(watcher.start(NOBODY));
  else if (kind === "stop") ignore(watcher.stop(NOBODY));
  else if (kind === "restart") ignore(watcher.restart(NOBODY, null));
  else if (kind === "reload") ignore(watcher.reload(NOBODY, { ...reload, sequential: false }));
  else if (kind === "sequential") ignore(watcher.reload(NOBODY, { ...reload, sequential: true }));
  else if (kind === "incr") ignore(watcher.addProcesses(NOBODY, 1));
  else if (kind === "decr") ignore(watcher.addProcesses(NOBODY, -1));
  else if (kind === "pass") life.pass(n);
  else if (pid !== undefined && kind === "die") life.die(pid);
  else if (pid !== undefined) {
    const process = host.alive.get(pid);
    if (process !== undefined) process.isStubborn = true;
  }
}

const life = fc.record({
  ops: fc.array(op, { maxLength: 12 }),
  instructions: fc.nat(60),
  tornAt: fc.nat(400),
  /** Who dies while nobody is there; an odd one's number goes to a stranger. */
  deaths: fc.array(fc.nat(7), { maxLength: 3 }),
});

it("no worker runs twice and none is left unowned, wherever the agent is killed", () => {
  fc.assert(
    fc.property(fc.array(life, { minLength: 1, maxLength: 4 }), (lives) => {
      const host = new Host();
      let text = "";
      for (const { ops, instructions, tornAt, deaths } of lives) {
        const current = new Life(host, text, instructions, tornAt);
        for (const one of [["start", 0] as const, ...ops]) perform(current, host, one);
        text = current.text;
        for (const [i, n] of deaths.entries()) {
          const pid = host.own()[n];
          if (pid === undefined) continue;
          host.alive.delete(pid);
          if (i % 2 === 1) host.alive.set(pid, { ticks: FOREIGN + pid, id: null, isStubborn: false });
        }
      }
      const final = new Life(host, text, Infinity, 0);
      final.pass(600_000);
      const { watcher } = final;
      expect([...watcher.processes().map(({ pid }) => pid)].sort((a, b) => a - b)).toEqual(host.own());
      if (watcher.status === "active") expect(host.own()).toHaveLength(watcher.config.numprocesses);
      else expect([watcher.status, host.own()]).toEqual(["stopped", []]);
    }),
    { numRuns: 50 },
  );
}, 120_000);
