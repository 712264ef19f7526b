/**
 * In which order hosts stand: what is wrong first, else by name. A line moves only when there is a reason that lasts,
 * and not at all while a reader is about to point at one. Pure.
 */
import { NO_TROUBLE, troubleOf } from "./judge.ts";
import type { HostView } from "./model.ts";

/** A restart is over sooner: no line moves for it. */
const WORSE_MS = 2000;
/** What comes and goes stays in sight. */
const BETTER_MS = 10_000;

interface Place {
  /** As `troubleOf`. */
  readonly rank: number;
  /** Since when the host's own rank is another; null: it is not. */
  readonly otherSince: number | null;
}

export interface Order {
  readonly names: readonly string[];
  /** Hosts in trouble that stand below one that is well, since the order was held. */
  readonly below: number;
  readonly places: ReadonlyMap<string, Place>;
  readonly byName: readonly string[];
}

export const NO_ORDER: Order = { names: [], below: 0, places: new Map(), byName: [] };

/** `web2` before `web10`. */
export const { compare: compareNames } = new Intl.Collator("en", { numeric: true });

/** @param isHeld who stands somewhere stays there; new ones come at the end */
export function orderOf(before: Order, hosts: ReadonlyMap<string, HostView>, now: number, isHeld: boolean): Order {
  const isSame = before.byName.length === hosts.size && before.byName.every((name) => hosts.has(name));
  const byName = isSame ? before.byName : [...hosts.keys()].sort(compareNames);
  const places = new Map<string, Place>();
  const ranks: string[][] = Array.from({ length: NO_TROUBLE + 1 }, () => []);
  for (const name of byName) {
    const host = hosts.get(name);
    if (host === undefined) continue;
    const place = placeOf(before.places.get(name), troubleOf(host), now);
    places.set(name, place);
    ranks[place.rank]?.push(name);
  }
  const sorted = ranks.flat();
  if (!isHeld) return { names: sorted, below: 0, places, byName };
  const stood = new Set(before.names);
  const names = isSame
    ? before.names
    : [...before.names.filter((name) => hosts.has(name)), ...sorted.filter((name) => !stood.has(name))];
  const rank = (name: string): number => places.get(name)?.rank ?? NO_TROUBLE;
  const well = names.findIndex((name) => rank(name) === NO_TROUBLE);
  const below = well < 0 ? 0 : names.slice(well).filter((name) => rank(name) < NO_TROUBLE).length;
  return { names, below, places, byName };
}

function placeOf(before: Place | undefined, rank: number, now: number): Place {
  if (before === undefined) return { rank, otherSince: null };
  if (before.rank === rank) return before.otherSince === null ? before : { rank, otherSince: null };
  const since = before.otherSince ?? now;
  const lastsMs = rank < before.rank ? WORSE_MS : BETTER_MS;
  return now - since >= lastsMs ? { rank, otherSince: null } : { rank: before.rank, otherSince: since };
}
