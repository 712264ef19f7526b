/** What is on the screen of the fleet's `top`, as a state machine: pictures and keys go in. No clock, no terminal. Pure. */
import { type FleetPicture, type FleetRow, trouble } from "./fleet-picture.ts";
import { type Size, typedFilter } from "./model.ts";

const SORTS = { w: "trouble", c: "cpu", m: "memory", n: "name", t: "restarts", a: "age" } as const;
export type FleetSort = (typeof SORTS)[keyof typeof SORTS];

type Mode =
  | { readonly kind: "list" }
  | { readonly kind: "help" }
  | { readonly kind: "filter"; readonly before: string };

export interface FleetTop {
  readonly picture: FleetPicture | null;
  /** Why there is no newer one. */
  readonly trouble: string | null;
  readonly sort: FleetSort;
  readonly isReversed: boolean;
  /** Part of a host's or watcher's name, in any case. */
  readonly filter: string;
  /** The one host whose watchers are shown; null: all. */
  readonly open: string | null;
  readonly mode: Mode;
  /** Key of the row under the cursor; null: the first. */
  readonly selected: string | null;
  readonly size: Size;
}

export type FleetInput =
  | { readonly kind: "picture"; readonly picture: FleetPicture }
  | { readonly kind: "trouble"; readonly reason: string }
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "resized"; readonly size: Size };

/** @property isOver somebody wants to leave */
export interface FleetStep {
  readonly state: FleetTop;
  readonly isOver: boolean;
}

export function initialFleet(size: Size): FleetTop {
  return {
    ...{ picture: null, trouble: null, sort: "trouble", isReversed: false, filter: "", open: null },
    ...{ mode: { kind: "list" }, selected: null, size },
  };
}

export function fleetStep(state: FleetTop, input: FleetInput): FleetStep {
  switch (input.kind) {
    case "picture":
      return on({ ...state, picture: input.picture, trouble: null });
    case "trouble":
      return on({ ...state, trouble: input.reason });
    case "resized":
      return on({ ...state, size: input.size });
    case "key":
      return input.key === "interrupt" ? { state, isOver: true } : onKey(state, input.key);
    default:
      return input satisfies never;
  }
}

function on(state: FleetTop): FleetStep {
  return { state, isOver: false };
}

function onKey(state: FleetTop, key: string): FleetStep {
  const { mode } = state;
  switch (mode.kind) {
    case "list":
      return onListKey(state, key);
    case "help":
      return key === "q" ? { state, isOver: true } : on({ ...state, mode: { kind: "list" } });
    case "filter":
      return on(onFilterKey(state, mode.before, key));
    default:
      return mode satisfies never;
  }
}

function onListKey(state: FleetTop, key: string): FleetStep {
  if (key in SORTS) {
    const sort = SORTS[key as keyof typeof SORTS];
    return on({ ...state, sort, isReversed: state.sort === sort ? !state.isReversed : false });
  }
  switch (key) {
    case "q":
      return { state, isOver: true };
    case "h":
    case "?":
      return on({ ...state, mode: { kind: "help" } });
    case "/":
      return on({ ...state, mode: { kind: "filter", before: state.filter } });
    case "enter":
    case "right":
      return on({ ...state, open: state.open ?? selectedRow(state)?.host ?? null });
    case "escape":
    case "backspace":
    case "left":
      return on(state.open === null ? { ...state, filter: "" } : { ...state, open: null });
    case "up":
    case "k":
      return on(moved(state, -1));
    case "down":
    case "j":
      return on(moved(state, 1));
    case "home":
      return on(moved(state, -Infinity));
    case "end":
      return on(moved(state, Infinity));
    default:
      return on(state);
  }
}

function onFilterKey(state: FleetTop, before: string, key: string): FleetTop {
  const { filter, isDone } = typedFilter(state.filter, before, key);
  return { ...state, filter, mode: isDone ? { kind: "list" } : state.mode };
}

function moved(state: FleetTop, by: number): FleetTop {
  const rows = shownRows(state);
  const at = indexOfSelected(state, rows) + by;
  const row = rows[Math.min(rows.length - 1, Math.max(0, at))];
  return { ...state, selected: row === undefined ? null : keyOf(row) };
}

function keyOf({ host, watcher }: FleetRow): string {
  return `${host} ${watcher ?? ""}`;
}

/** The first where it is not shown any more. */
export function indexOfSelected({ selected }: FleetTop, rows: readonly FleetRow[]): number {
  return Math.max(
    0,
    rows.findIndex((row) => keyOf(row) === selected),
  );
}

function selectedRow(state: FleetTop): FleetRow | undefined {
  const rows = shownRows(state);
  return rows[indexOfSelected(state, rows)];
}

/** Those that are let through, in order. */
export function shownRows({ picture, filter, open, sort, isReversed }: FleetTop): readonly FleetRow[] {
  const needle = filter.toLowerCase();
  const has = (text: string | null): boolean => text?.toLowerCase().includes(needle) === true;
  const rows = (picture?.rows ?? []).filter(
    ({ host, watcher }) => (open === null || host === open) && (needle === "" || has(host) || has(watcher)),
  );
  const sign = isReversed ? -1 : 1;
  return rows
    .map((row) => ({ row, value: sort === "name" ? 0 : valueOf(row, sort) }))
    .sort((a, b) => sign * (b.value - a.value || byName(a.row, b.row)))
    .map(({ row }) => row);
}

function valueOf(row: FleetRow, sort: Exclude<FleetSort, "name">): number {
  switch (sort) {
    case "trouble":
      return trouble(row);
    case "cpu":
      return row.cpu ?? -1;
    case "memory":
      return row.rssBytes ?? -1;
    case "restarts":
      return row.restarts ?? -1;
    case "age":
      return row.ageMs ?? Number.MAX_SAFE_INTEGER;
    default:
      return sort satisfies never;
  }
}

function byName(a: FleetRow, b: FleetRow): number {
  if (a.host !== b.host) return a.host < b.host ? -1 : 1;
  return (a.watcher ?? "") < (b.watcher ?? "") ? -1 : 1;
}
