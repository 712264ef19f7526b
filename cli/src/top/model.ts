/**
 * What is on the screen of `top`, as a state machine: pictures of the agent and keys go in, a new state and what is to be
 * done come out. No clock and no terminal. Pure.
 */
import type { Picture, TopProcess, TopWatcher } from "./picture.ts";

/** Samples that a sparkline remembers; a screen is hardly wider. */
export const HISTORY_MAX = 60;
/** Characters of a filter. */
const FILTER_MAX = 64;

/** By which key and by which word each order goes. */
const SORTS = { c: "cpu", m: "mem", a: "age", n: "name", t: "restarts" } as const;
export type Sort = (typeof SORTS)[keyof typeof SORTS];

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** `confirm`: a restart waits for a yes. */
type Mode =
  | { readonly kind: "list" }
  | { readonly kind: "help" }
  | { readonly kind: "filter"; readonly before: string }
  | { readonly kind: "confirm"; readonly watcher: string };

export interface TopState {
  /** The newest; null: none yet. */
  readonly picture: Picture | null;
  /** Why there is no newer one; null: all is well. */
  readonly trouble: string | null;
  /** CPU of watchers, the newest last, by name. */
  readonly history: ReadonlyMap<string, readonly number[]>;
  readonly sort: Sort;
  readonly isReversed: boolean;
  readonly hasProcesses: boolean;
  /** Part of the names of watchers or programs, any case. */
  readonly filter: string;
  readonly mode: Mode;
  /** Name of the watcher under the cursor; null: the first. */
  readonly selected: string | null;
  /** What became of the last wish. */
  readonly message: string | null;
  readonly size: Size;
}

export type TopInput =
  | { readonly kind: "picture"; readonly picture: Picture }
  | { readonly kind: "trouble"; readonly reason: string }
  /** As the terminal names it: a character, or `up`, `down`, `enter`, `escape`, `backspace`, `home`, `end`, `interrupt`. */
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "resized"; readonly size: Size }
  | { readonly kind: "told"; readonly message: string };

export type TopEffect = { readonly kind: "quit" } | { readonly kind: "restart"; readonly watcher: string };

interface Step {
  readonly state: TopState;
  readonly effects: readonly TopEffect[];
}

export function initialTop(size: Size): TopState {
  return {
    ...{ picture: null, trouble: null, history: new Map<string, readonly number[]>(), sort: "cpu", isReversed: false },
    ...{ hasProcesses: true, filter: "", mode: { kind: "list" }, selected: null, message: null, size },
  };
}

export function transition(state: TopState, input: TopInput): Step {
  switch (input.kind) {
    case "picture":
      return only({ ...state, picture: input.picture, trouble: null, history: remember(state.history, input.picture) });
    case "trouble":
      return only({ ...state, trouble: input.reason });
    case "resized":
      return only({ ...state, size: input.size });
    case "told":
      return only({ ...state, message: input.message });
    case "key":
      return input.key === "interrupt" ? { state, effects: [{ kind: "quit" }] } : onKey(state, input.key);
    default:
      return input satisfies never;
  }
}

function only(state: TopState): Step {
  return { state, effects: [] };
}

function onKey(state: TopState, key: string): Step {
  const { mode } = state;
  switch (mode.kind) {
    case "list":
      return onListKey({ ...state, message: null }, key);
    case "help":
      return key === "q" ? { state, effects: [{ kind: "quit" }] } : only({ ...state, mode: { kind: "list" } });
    case "filter":
      return only(onFilterKey(state, mode.before, key));
    case "confirm": {
      const back: TopState = { ...state, mode: { kind: "list" } };
      if (key !== "y" && key !== "Y") return only({ ...back, message: "not restarted" });
      const message = `restarting ${mode.watcher} …`;
      return { state: { ...back, message }, effects: [{ kind: "restart", watcher: mode.watcher }] };
    }
    default:
      return mode satisfies never;
  }
}

function onListKey(state: TopState, key: string): Step {
  if (key in SORTS) {
    const sort = SORTS[key as keyof typeof SORTS];
    return only({ ...state, sort, isReversed: state.sort === sort ? !state.isReversed : false });
  }
  switch (key) {
    case "q":
      return { state, effects: [{ kind: "quit" }] };
    case "h":
    case "?":
      return only({ ...state, mode: { kind: "help" } });
    case "p":
      return only({ ...state, hasProcesses: !state.hasProcesses });
    case "/":
      return only({ ...state, mode: { kind: "filter", before: state.filter } });
    case "escape":
      return only({ ...state, filter: "" });
    case "r": {
      const watcher = selectedWatcher(state)?.name;
      return only(watcher === undefined ? state : { ...state, mode: { kind: "confirm", watcher } });
    }
    case "up":
    case "k":
      return only(moved(state, -1));
    case "down":
    case "j":
      return only(moved(state, 1));
    case "home":
      return only(moved(state, -Infinity));
    case "end":
      return only(moved(state, Infinity));
    default:
      return only(state);
  }
}

/** What a key makes of a filter that is being typed. @param before as it was when that began */
export function typedFilter(filter: string, before: string, key: string): { filter: string; isDone: boolean } {
  if (key === "enter") return { filter, isDone: true };
  if (key === "escape") return { filter: before, isDone: true };
  if (key === "backspace") return { filter: filter.slice(0, -1), isDone: false };
  if (Array.from(key).length !== 1 || filter.length >= FILTER_MAX) return { filter, isDone: false };
  return { filter: filter + key, isDone: false };
}

function onFilterKey(state: TopState, before: string, key: string): TopState {
  const { filter, isDone } = typedFilter(state.filter, before, key);
  return { ...state, filter, mode: isDone ? { kind: "list" } : state.mode };
}

function moved(state: TopState, by: number): TopState {
  const names = shownWatchers(state).map(({ name }) => name);
  const at = Math.max(0, names.indexOf(state.selected ?? ""));
  return { ...state, selected: names[Math.min(names.length - 1, Math.max(0, at + by))] ?? null };
}

/** The watcher under the cursor; null where none is shown. */
export function selectedWatcher(state: TopState): TopWatcher | null {
  const shown = shownWatchers(state);
  return shown.find(({ name }) => name === state.selected) ?? shown[0] ?? null;
}

/** Those that the filter lets through, in order. */
export function shownWatchers({ picture, filter, sort, isReversed }: TopState): readonly TopWatcher[] {
  const needle = filter.toLowerCase();
  const has = (text: string): boolean => text.toLowerCase().includes(needle);
  const shown = (picture?.watchers ?? []).filter(
    ({ name, processes }) => has(name) || processes.some(({ program }) => has(program)),
  );
  const sign = isReversed ? -1 : 1;
  return [...shown].sort((a, b) => sign * compare(a, b, sort) || byName(a, b));
}

/** In the same order as the watchers. */
export function shownProcesses({ sort, isReversed }: TopState, watcher: TopWatcher): readonly TopProcess[] {
  const value = (process: TopProcess): number =>
    (sort === "mem" ? process.mem : sort === "age" ? process.ageS : sort === "cpu" ? process.cpu : 0) ?? 0;
  const sign = isReversed ? -1 : 1;
  return [...watcher.processes].sort((a, b) => sign * (value(b) - value(a)) || a.pid - b.pid);
}

function compare(a: TopWatcher, b: TopWatcher, sort: Sort): number {
  return sort === "name" ? byName(a, b) : valueOf(b, sort) - valueOf(a, sort);
}

function valueOf(watcher: TopWatcher, sort: Exclude<Sort, "name">): number {
  if (sort === "restarts") return watcher.restarts ?? 0;
  if (sort === "age") return oldest(watcher) ?? 0;
  return total(watcher, sort) ?? 0;
}

function byName(a: TopWatcher, b: TopWatcher): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Over all processes; null where none is known. */
export function total({ processes }: TopWatcher, of: "cpu" | "mem" | "rssBytes"): number | null {
  const known = processes.map((process) => process[of]).filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** Age of the oldest process, s. */
export function oldest({ processes }: TopWatcher): number | null {
  const known = processes.map(({ ageS }) => ageS).filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** Forgets watchers that are not there any more. */
function remember(history: TopState["history"], { watchers }: Picture): TopState["history"] {
  return new Map(
    watchers.map((watcher) => [
      watcher.name,
      [...(history.get(watcher.name) ?? []), total(watcher, "cpu") ?? 0].slice(-HISTORY_MAX),
    ]),
  );
}
