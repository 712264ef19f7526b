/**
 * A simulated world for the watcher's tests: a clock that moves only when told, processes that behave as
 * their `cmd` says, and a record of all that is told. Checks what must hold at any moment after each step.
 *
 * Commands: `run` lives until signalled · `stubborn` ignores all but SIGKILL · `slow` takes 300 ms to obey ·
 * `dies MS` exits with status 1 after so long · `nosuch` cannot be spawned.
 */
import { makeLogger } from "@circus-cluster/proto";
import { NO_HOOKS } from "../config/hooks.ts";
import { PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { Cause } from "./api.ts";
import type { HealthWatch, HookRequest, ProcessExit, TellHook, WatcherDeps } from "./deps.ts";
import { type HookOutcome, type Intent, NOBODY, SIGHUP, SIGKILL } from "./state.ts";
import { createWatcher, type Watcher } from "./watcher.ts";

export const TEST_CONFIG: WatcherConfig = {
  name: "web",
  at: null,
  cmd: "run",
  args: "",
  numprocesses: 2,
  warmupDelayS: 0,
  workingDir: "/",
  shell: false,
  shellArgs: null,
  executable: null,
  uid: null,
  gid: null,
  rlimits: {},
  copyEnv: false,
  copyPath: false,
  virtualenv: null,
  virtualenvPyVer: null,
  autostart: true,
  onDemand: false,
  respawn: true,
  singleton: false,
  priority: 0,
  maxRetry: 5,
  maxAgeS: 0,
  maxAgeVarianceS: 30,
  gracefulTimeoutS: 30,
  stopSignal: 15,
  stopChildren: false,
  sendHup: false,
  useSockets: false,
  socketActivation: null,
  stdinSocket: null,
  closeChildStdin: true,
  closeChildStdout: false,
  closeChildStderr: false,
  stdoutStream: null,
  stderrStream: null,
  env: {},
  readyMinUptimeS: 2,
  lifecycle: PLAIN_LIFECYCLE,
  hooks: NO_HOOKS,
  extra: {},
};

export const ANNA: Cause = { actor: "anna", command: "c1" };
/** Wall clock at monotonic zero. */
export const WALL_START = 1_700_000_000_000;

interface Process {
  readonly pid: number;
  readonly cmd: string;
  readonly onExit: (exit: ProcessExit) => void;
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly isTimer: boolean;
  readonly run: () => void;
}

/** What became of a promise of the watcher. */
export interface Outcome {
  state: "waiting" | "done" | "refused";
  value: unknown;
}

/** A call of a hook that has not been answered. */
export interface PendingHook extends HookRequest {
  readonly tell: TellHook;
}

export const YES: HookOutcome = { kind: "returned", value: true, env: null };
export const NO: HookOutcome = { kind: "returned", value: false, env: null };

export class World {
  nowMs = 0;
  /** Fails so many spawns from now on. */
  failSpawns = 0;
  /** From now on every health check says healthy at once. */
  isWell = false;
  /** Answers of hooks that were broken off come nevertheless. */
  isLate = false;
  /** From now on even `nosuch` can be spawned. */
  isHealed = false;
  chance = 0;
  /** PUB events and signals as `what pid`, in order; cleared by {@link take}. */
  readonly told: string[] = [];
  readonly fleet: { kind: string; pid?: number | undefined; actor?: string | undefined; data: object }[] = [];
  readonly alive = new Map<number, Process>();
  readonly outcomes: Outcome[] = [];
  readonly watcher: Watcher;
  /** Of the health checks under way, by pid. */
  readonly checks = new Map<number, (ailment: string | null) => void>();
  /** What hooks answer, after so many ms; null: they never do. At first yes, at once. */
  answer: (request: HookRequest) => { readonly outcome: HookOutcome; readonly afterMs: number } | null = () => ({
    outcome: YES,
    afterMs: 0,
  });
  /** Calls of hooks that wait for their answer, in their order. */
  readonly calls: PendingHook[] = [];
  /** What is kept for the agent's next life. */
  kept: Intent | null = null;
  readonly turns: boolean[] = [];
  readonly escalated: string[] = [];
  spawnAttempts = 0;
  /** The largest `numprocesses` so far. */
  sizeMax: number;
  /** Commands under way during which new processes may run beside the old ones. */
  #overlaps = 0;
  /** Pids that were asked to go. */
  readonly #asked = new Set<number>();
  #lastPid = 100;
  #lastOrder = 0;
  readonly #due = new Set<Due>();

  constructor(config: Partial<WatcherConfig> = {}, overrides: Partial<WatcherDeps> = {}) {
    const full = { ...TEST_CONFIG, ...config };
    this.sizeMax = full.numprocesses;
    this.watcher = createWatcher(full, { ...this.#deps(), ...overrides });
  }

  /**
   * Runs a command and remembers what becomes of it.
   *
   * @param mayOverlap it may bring new processes up beside the old ones
   */
  ask<T>(run: (watcher: Watcher) => Promise<T>, mayOverlap = true): Outcome {
    const outcome: Outcome = { state: "waiting", value: undefined };
    this.outcomes.push(outcome);
    if (mayOverlap) this.#overlaps++;
    const settle = (state: Outcome["state"], value: unknown): void => {
      Object.assign(outcome, { state, value });
      if (mayOverlap) this.#overlaps--;
    };
    run(this.watcher).then(
      (value) => settle("done", value),
      (error: unknown) => settle("refused", error),
    );
    this.check();
    return outcome;
  }

  /** Starts and waits: the usual beginning of a story. */
  async started(): Promise<this> {
    this.ask((w) => w.start(NOBODY));
    await this.pass(10_000);
    this.take();
    return this;
  }

  /** Lets time pass, doing all that falls due in order, and lets promises settle. */
  async pass(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    for (let next = this.#next(until); next !== null; next = this.#next(until)) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#due.delete(next);
      next.run();
      this.check();
    }
    this.nowMs = until;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets a process end, as if by itself or by a hand from outside. */
  die(pid: number, exit: ProcessExit = { code: 1, signal: null }): void {
    const process = this.alive.get(pid);
    if (process === undefined) return;
    this.alive.delete(pid);
    process.onExit(exit);
    this.check();
  }

  take(): string[] {
    return this.told.splice(0);
  }

  get pids(): number[] {
    return [...this.alive.keys()];
  }

  get timersPending(): number {
    return [...this.#due].filter((due) => due.isTimer).length;
  }

  /** Laws that hold after every step. */
  check(): void {
    const known = this.watcher.processes();
    const fail = (law: string) => {
      throw new Error(`${law}: known ${JSON.stringify(known)}, alive ${JSON.stringify(this.pids)}`);
    };
    this.sizeMax = Math.max(this.sizeMax, this.watcher.config.numprocesses);
    const wids = known.map((process) => process.wid);
    if (new Set(wids).size !== wids.length) fail("two processes share a wid");
    if (known.length !== this.alive.size || known.some(({ pid }) => !this.alive.has(pid))) fail("not owned, or dead");
    if (known.length > 2 * this.sizeMax) fail("more than 2N alive");
    if (this.watcher.status === "stopped" && known.length > 0) fail("stopped with processes");
    if (this.calls.length > 1) fail("two hooks at once");
    if (this.checks.size > known.length) fail("a health check of nobody");
    this.#checkNumber(fail);
    const rests = known.length === 0 && this.watcher.status === "stopped" && this.calls.length === 0;
    if (rests && this.timersPending > 0) fail("timer without process or hook");
  }

  /** As many as are wanted: never more, except for the time of a reload, and never fewer without one to come. */
  #checkNumber(fail: (law: string) => void): void {
    const { config, status } = this.watcher;
    const staying = this.pids.filter((pid) => !this.#asked.has(pid)).length;
    // Where hooks answer first, nobody is asked to go before they have.
    const mayLinger = Object.keys(config.hooks.byName).length > 0;
    if (this.#overlaps === 0 && !mayLinger && staying > config.numprocesses) fail("more than wanted");
    const isShort = status === "active" && config.respawn && !config.onDemand && staying < config.numprocesses;
    const isToCome = this.timersPending > 0 || this.calls.length > 0 || this.pids.length > staying;
    if (isShort && !isToCome) fail("fewer than wanted, and nobody will come");
  }

  /** A health check's verdict; null: healthy. */
  judge(pid: number, ailment: string | null): void {
    this.checks.get(pid)?.(ailment);
    this.check();
  }

  /** Answers a call of a hook, the one under way by default; one that was broken off too (a late answer). */
  reply(outcome: HookOutcome, call: PendingHook | undefined = this.calls[0]): void {
    if (call === undefined) return;
    const index = this.calls.indexOf(call);
    if (index >= 0) this.calls.splice(index, 1);
    call.tell(outcome);
    this.check();
  }

  #watch(): HealthWatch {
    let own = 0;
    return {
      env: {},
      begin: (pid, tell) => {
        own = pid;
        this.checks.set(pid, tell);
        if (this.isWell) this.#after(1, () => this.judge(pid, null), false);
      },
      close: () => void this.checks.delete(own),
    };
  }

  #next(untilMs: number): Due | null {
    let next: Due | null = null;
    for (const due of this.#due) {
      if (due.atMs > untilMs) continue;
      if (next === null || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order)) next = due;
    }
    return next;
  }

  #after(ms: number, run: () => void, isTimer: boolean): Due {
    const due: Due = { atMs: this.nowMs + ms, order: ++this.#lastOrder, isTimer, run };
    this.#due.add(due);
    return due;
  }

  #deps(): WatcherDeps {
    return {
      spawn: ({ config }, onExit) => {
        this.spawnAttempts++;
        // Several commands can be done within one moment: what was wanted then counts too.
        this.sizeMax = Math.max(this.sizeMax, config.numprocesses);
        if ((config.cmd === "nosuch" && !this.isHealed) || this.failSpawns > 0) {
          if (this.failSpawns > 0) this.failSpawns--;
          return { ok: false, reason: `cannot run '${config.cmd}': not found in PATH /bin` };
        }
        const pid = ++this.#lastPid;
        this.alive.set(pid, { pid, cmd: config.cmd, onExit });
        const [word, ms] = config.cmd.split(" ");
        if (word === "dies") this.#after(Number(ms), () => this.die(pid), false);
        return { ok: true, pid, startedMs: WALL_START + this.nowMs };
      },
      signal: (pid, signum) => {
        this.told.push(`signal ${signum} ${pid}`);
        this.#hit(pid, signum);
      },
      killGroup: (pid, signum) => {
        this.told.push(`group ${signum} ${pid}`);
        this.#hit(pid, signum);
      },
      signalChildren: (pid, signum) => {
        this.told.push(`children ${signum} ${pid}`);
        return [pid + 10_000];
      },
      callHook: (request, tell) => {
        const { hook, subject, facts } = request.call;
        const call: PendingHook = { ...request, tell };
        this.calls.push(call);
        const signum = typeof facts["signum"] === "number" ? [facts["signum"]] : [];
        const pid = subject?.pid ?? null;
        this.told.push(["hook", hook, ...signum, ...(pid === null ? [] : [pid])].join(" "));
        const answer = this.answer(request);
        const due = answer === null ? null : this.#after(answer.afterMs, () => this.reply(answer.outcome, call), false);
        return () => {
          if (due !== null && !this.isLate) this.#due.delete(due);
          this.calls.splice(this.calls.indexOf(call), 1);
        };
      },
      attend: () => undefined,
      stateTurned: () => undefined,
      watchHealth: ({ lifecycle }) => (lifecycle.healthcheck === null ? null : this.#watch()),
      healthTurned: (isHealthy) => this.turns.push(isHealthy),
      statusTurned: () => undefined,
      configTurned: () => undefined,
      outputAtRest: () => Promise.resolve(),
      intend: (intent) => {
        this.kept = intent;
      },
      escalate: (reason) => this.escalated.push(reason),
      setTimer: (delayMs, fire) => {
        if (!(delayMs >= 0 && delayMs < 2 ** 31)) throw new RangeError(`Node cannot wait ${delayMs} ms`);
        return this.#after(delayMs, fire, true);
      },
      clearTimer: (handle) => this.#due.delete(handle as Due),
      now: () => this.nowMs,
      wall: () => WALL_START + this.nowMs,
      random: () => this.chance,
      bus: {
        publish: ({ event, data }) => {
          const facts = [data["process_pid"], data["exit_code"]].filter((fact) => fact !== undefined);
          this.told.push([event, ...facts.map((fact) => JSON.stringify(fact))].join(" "));
        },
        emit: ({ kind, pid, actor, data }) => {
          this.fleet.push({ kind, pid, actor, data });
          return this.fleet.length;
        },
      },
      log: makeLogger(() => undefined),
    };
  }

  /** A signal takes a moment to work: the exit is always a later fact. */
  #hit(pid: number, signum: number): void {
    const process = this.alive.get(pid);
    if (process === undefined) return;
    if (signum !== SIGHUP) this.#asked.add(pid);
    if (process.cmd === "stubborn" && signum !== SIGKILL) return;
    const exit = { code: null, signal: signum };
    this.#after(process.cmd === "slow" && signum !== SIGKILL ? 300 : 1, () => this.die(pid, exit), false);
  }
}
