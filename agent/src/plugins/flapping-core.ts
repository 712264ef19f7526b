/**
 * Which watchers flap, and what is done about it (reference §9.4, D17). Pure.
 *
 * A watcher flaps when processes of one place die `attempts` times and have run no longer than `window` between the
 * first death and the last. Only running counts: how long the agent waits before it replaces a process (its back-off,
 * Circus's `check_delay`) says nothing about the process. Each place is judged by itself, so two workers that die
 * together are two first deaths; and a process that the agent was told to end (`kill` comes before `reap`) has not died.
 *
 * Invariants: without `max_retry` = -1 no more than that many retries in a row; a timer runs for a watcher exactly while
 * it is to be tried again; what is remembered is bounded.
 */
import type { OptionReader } from "./options.ts";

export interface FlappingOptions {
  readonly attempts: number;
  readonly windowS: number;
  readonly retryInS: number;
  /** -1: endless. */
  readonly maxRetry: number;
  /** False: the watcher is exempt. */
  readonly active: boolean;
}

/** The plugin's own, and what a watcher's `flapping.*` says in their place. */
export function readFlapping(reader: OptionReader, defaults: FlappingOptions = DEFAULTS): FlappingOptions {
  return {
    attempts: reader.int("attempts", defaults.attempts, { min: 1, max: 1000 }),
    windowS: reader.number("window", defaults.windowS, { min: 0 }),
    retryInS: reader.seconds("retry_in", defaults.retryInS),
    maxRetry: reader.int("max_retry", defaults.maxRetry, { min: -1 }),
    active: reader.bool("active", defaults.active),
  };
}

const DEFAULTS: FlappingOptions = { attempts: 2, windowS: 1, retryInS: 7, maxRetry: 5, active: true };

interface Life {
  /** Epoch seconds; null: it was there before us. */
  readonly bornS: number | null;
  /** How long its predecessors in this place ran, seconds; the latest last. */
  readonly history: readonly number[];
  /** The agent ends it: its death means nothing. */
  readonly isDoomed: boolean;
}

interface Watch {
  readonly options: FlappingOptions;
  readonly lives: ReadonlyMap<number, Life>;
  /** Histories of places that nobody fills at the moment, the longest empty first. */
  readonly vacancies: readonly (readonly number[])[];
  /** Retries in a row. */
  readonly tries: number;
  /**
   * `stopping`: we said stop, and the agent has not said that it is; `resting`: it is, or we gave up; `restarting`: we
   * said start before it was.
   */
  readonly phase: "watching" | "stopping" | "resting" | "restarting";
}

export type FlappingState = ReadonlyMap<string, Watch>;

export type FlappingInput =
  | { readonly kind: "configured"; readonly watcher: string; readonly options: FlappingOptions }
  | {
      readonly kind: "event";
      readonly watcher: string;
      readonly event: string;
      readonly pid: number | null;
      /** The event's own time, epoch seconds. */
      readonly timeS: number;
    }
  /** The timer of this watcher has run out. */
  | { readonly kind: "retry"; readonly watcher: string };

export type FlappingEffect =
  | { readonly kind: "stop"; readonly watcher: string; readonly isFinal: boolean; readonly reason: string }
  | { readonly kind: "start"; readonly watcher: string }
  | { readonly kind: "set_timer"; readonly watcher: string; readonly delayS: number }
  | { readonly kind: "clear_timer"; readonly watcher: string };

interface Step {
  readonly state: FlappingState;
  readonly effects: readonly FlappingEffect[];
}

/** Places and lives remembered per watcher: more than one has, so that lost events cannot fill the memory. */
const REMEMBERED_MAX = 2000;

export function flapping(state: FlappingState, input: FlappingInput): Step {
  const { watcher } = input;
  const watch = state.get(watcher);
  if (input.kind === "configured") {
    return { state: withWatch(state, watcher, { ...(watch ?? NEWBORN), options: input.options }), effects: [] };
  }
  if (watch === undefined) return { state, effects: [] };
  if (input.kind === "retry") {
    const phase = watch.phase === "stopping" ? "restarting" : "watching";
    return { state: withWatch(state, watcher, { ...watch, phase }), effects: [{ kind: "start", watcher }] };
  }
  if (input.event === "remove") {
    const left = new Map(state);
    left.delete(watcher);
    return { state: left, effects: [{ kind: "clear_timer", watcher }] };
  }
  const [next, effects] = onEvent(watcher, watch, input);
  return { state: withWatch(state, watcher, next), effects };
}

const NEWBORN: Omit<Watch, "options"> = { lives: new Map(), vacancies: [], tries: 0, phase: "watching" };

function withWatch(state: FlappingState, watcher: string, watch: Watch): FlappingState {
  return new Map(state).set(watcher, watch);
}

type Event = Extract<FlappingInput, { kind: "event" }>;
type Outcome = readonly [next: Watch, effects: readonly FlappingEffect[]];

function onEvent(watcher: string, watch: Watch, { event, pid, timeS }: Event): Outcome {
  switch (event) {
    case "spawn":
      if (pid === null || watch.phase === "stopping") return [watch, []];
      return watch.phase === "resting"
        ? startedByHand(watcher, born(watch, pid, timeS))
        : [born(watch, pid, timeS), []];
    case "start":
      if (watch.phase === "resting") return startedByHand(watcher, watch);
      // It was stopped already when we said so.
      return [watch.phase === "watching" ? watch : { ...watch, phase: "watching" }, []];
    case "kill":
      return [pid === null ? watch : doom(watch, pid), []];
    case "reap":
      return pid === null ? [watch, []] : died(watcher, watch, pid, timeS);
    case "stop": {
      const empty = { ...watch, lives: new Map(), vacancies: [] };
      if (watch.phase === "stopping") return [{ ...empty, phase: "resting" }, []];
      if (watch.phase === "restarting") return [{ ...empty, phase: "watching" }, []];
      // Somebody else stopped it: whoever starts it again means it.
      return watch.phase === "resting" ? [empty, []] : [{ ...empty, tries: 0 }, []];
    }
    default:
      return [watch, []];
  }
}

/** Before its time: that is a fresh chance. */
function startedByHand(watcher: string, watch: Watch): Outcome {
  return [{ ...watch, phase: "watching", tries: 0 }, [{ kind: "clear_timer", watcher }]];
}

function born(watch: Watch, pid: number, timeS: number): Watch {
  const [history = [], ...vacancies] = watch.vacancies;
  return { ...watch, vacancies, lives: bounded(watch.lives, pid, { bornS: timeS, history, isDoomed: false }) };
}

function doom(watch: Watch, pid: number): Watch {
  const life = watch.lives.get(pid) ?? { bornS: null, history: [] };
  return { ...watch, lives: bounded(watch.lives, pid, { ...life, isDoomed: true }) };
}

function bounded(lives: ReadonlyMap<number, Life>, pid: number, life: Life): ReadonlyMap<number, Life> {
  const next = new Map(lives).set(pid, life);
  const [oldest] = next.keys();
  if (next.size > REMEMBERED_MAX && oldest !== undefined) next.delete(oldest);
  return next;
}

function died(watcher: string, watch: Watch, pid: number, timeS: number): Outcome {
  const life = watch.lives.get(pid) ?? { bornS: null, history: [], isDoomed: false };
  const lives = new Map(watch.lives);
  lives.delete(pid);
  const left = { ...watch, lives };
  const { active, attempts, windowS } = watch.options;
  const isOver = watch.phase === "stopping" || watch.phase === "resting";
  if (life.isDoomed || !active || isOver) return [left, []];
  const ranS = life.bornS === null ? Infinity : Math.max(0, timeS - life.bornS);
  const history = [...life.history, ranS].slice(-attempts);
  const between = history.slice(1).reduce((sum, s) => sum + s, 0);
  if (history.length === attempts && between <= windowS) return flaps(watcher, left, between);
  // It ran, so this is not the trouble of before.
  const isProven = (life.bornS !== null && ranS > windowS) || history.length === attempts;
  const vacancies = [...left.vacancies, history].slice(-REMEMBERED_MAX);
  return [{ ...left, vacancies, tries: isProven ? 0 : left.tries }, []];
}

function flaps(watcher: string, watch: Watch, betweenS: number): Outcome {
  const { attempts, retryInS, maxRetry } = watch.options;
  const next = { ...watch, lives: new Map(), vacancies: [], phase: "stopping" as const };
  const deaths = `${attempts} ${attempts === 1 ? "death" : "deaths"} within ${betweenS.toFixed(1)} s of running`;
  if (maxRetry !== -1 && watch.tries >= maxRetry) {
    const reason = `flapping: ${deaths} after ${maxRetry} retries`;
    return [{ ...next, tries: 0 }, [{ kind: "stop", watcher, isFinal: true, reason }]];
  }
  const tries = watch.tries + 1;
  const reason = `flapping: ${deaths}; retry ${tries} in ${retryInS} s`;
  return [
    { ...next, tries },
    [
      { kind: "stop", watcher, isFinal: false, reason },
      { kind: "set_timer", watcher, delayS: retryInS },
    ],
  ];
}
