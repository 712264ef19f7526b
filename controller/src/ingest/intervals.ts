/**
 * The life of one watcher on one host as intervals of states: a pure function of its *sorted* transitions, so
 * that a late event splits an interval and the order of arrival never shows.
 *
 * Order is by (epoch, seq), never by clock (design §5): what a controller says of a host (lost, back) names the
 * last event it had heard of, and so has a place in the host's own order, behind that event. Times only grow
 * along that order: a clock that was set back makes intervals short, never wrong in sequence.
 */
import type { Millis, WatcherState } from "@circus-cluster/proto";

/** Where a transition stands in the order of its host. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
  /** Of the controller's event behind it; both 0 for the host's own. */
  readonly fleetEpoch: number;
  readonly fleetSeq: number;
}

/** Behind every event of an epoch. */
export const LAST_SEQ = Number.MAX_SAFE_INTEGER;

export const OPS = ["stopped", "starting", "active", "stopping", "failed", "lost", "back", "gone", "fresh"] as const;
/**
 * What happens: the watcher's own states, and four of the whole host. `lost`: nothing is heard of it any more.
 * `back`: it is heard again. `gone`: its agent said goodbye, all is stopped. `fresh`: a new agent life, nothing
 * runs yet.
 */
export type Op = (typeof OPS)[number];

export function isHostOp(op: Op): boolean {
  return op === "lost" || op === "back" || op === "gone" || op === "fresh";
}

export interface Entry {
  readonly position: Position;
  readonly op: Op;
  /** When it happened, as its maker says, but no later than it was stored. */
  readonly time: Millis;
  readonly actor: string | null;
  readonly cause: string | null;
}

/** An entry with what follows from all before it. */
export interface Row extends Entry {
  /** From `from` to the next row's `from`; null: still so. */
  readonly state: WatcherState;
  readonly from: Millis;
  readonly to: Millis | null;
  /** What it would be if it were not unknown. */
  readonly known: WatcherState;
  /** Epoch that `known` is of. */
  readonly knownEpoch: number;
  /** The agent of that epoch said goodbye: nothing more can be lost. */
  readonly isGone: boolean;
}

/** Below 0: a stands before b. */
export function compare(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq || a.fleetEpoch - b.fleetEpoch || a.fleetSeq - b.fleetSeq;
}

/**
 * The row of `entry` behind `before`; null where it says nothing, because the watcher was never seen before it
 * and the entry is of the whole host.
 */
export function follow(before: Row | null, entry: Entry): Row | null {
  if (before === null && isHostOp(entry.op)) return null;
  const from = Math.max(before?.from ?? entry.time, entry.time);
  return { ...entry, from, to: null, ...after(before, entry) };
}

function after(before: Row | null, { op, position }: Entry): Pick<Row, "state" | "known" | "knownEpoch" | "isGone"> {
  const { epoch } = position;
  switch (op) {
    case "gone":
      return { state: "stopped", known: "stopped", knownEpoch: epoch, isGone: true };
    case "fresh":
      return { state: "stopped", known: "stopped", knownEpoch: epoch, isGone: false };
    case "lost":
    case "back": {
      const { state, known, knownEpoch, isGone } = before ?? UNSEEN;
      // After a goodbye silence is what was announced. An epoch of which nothing is known yet stays unknown.
      const isKnown = op === "lost" ? isGone : knownEpoch === epoch;
      return { state: isKnown ? (op === "lost" ? state : known) : "unknown", known, knownEpoch, isGone };
    }
    default:
      return { state: op, known: op, knownEpoch: epoch, isGone: false };
  }
}

const UNSEEN = { state: "unknown", known: "unknown", knownEpoch: 0, isGone: false } as const;

/**
 * Puts entries into a life that is there already.
 *
 * @param before the row in front of the first new entry; null: there is none
 * @param entries sorted, all in front of `behind`
 * @param behind the rows after them, sorted; read only as far as the change reaches
 * @returns the rows to write, new ones and changed ones, each once
 */
export function insert(before: Row | null, entries: readonly Entry[], behind: Iterable<Row>): readonly Row[] {
  const rows: Row[] = before === null ? [] : [before];
  const push = (row: Row): void => {
    const last = rows.at(-1);
    if (last !== undefined) rows[rows.length - 1] = { ...last, to: row.from };
    rows.push(row);
  };
  for (const entry of entries) {
    const row = follow(rows.at(-1) ?? null, entry);
    if (row !== null) push(row);
  }
  let isOpen = true;
  for (const old of behind) {
    const row = follow(rows.at(-1) ?? null, old);
    if (row === null) continue; // a host's entry that stands in front of the watcher's first one is not in its life
    if (isSame(row, old)) {
      const last = rows.at(-1);
      if (last !== undefined) rows[rows.length - 1] = { ...last, to: old.from };
      isOpen = false;
      break;
    }
    push(row);
  }
  const tail = rows.at(-1);
  if (isOpen && tail !== undefined) rows[rows.length - 1] = { ...tail, to: null };
  return before !== null && rows[0]?.to === before.to ? rows.slice(1) : rows;
}

/** From here on nothing changes: the state is the same, and so is all that later rows are made from. */
function isSame(a: Row, b: Row): boolean {
  return (
    a.from === b.from &&
    a.state === b.state &&
    a.known === b.known &&
    a.knownEpoch === b.knownEpoch &&
    a.isGone === b.isGone
  );
}
