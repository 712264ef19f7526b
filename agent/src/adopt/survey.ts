/**
 * Compares what the journal says with what runs: which processes of each watcher live, and which have gone while nobody
 * was there to see it. Pure.
 *
 * A1  A process is ours only where its pid *and* its start time are those that were written down, on the same boot; or
 *     where it carries the id that was written down before its fork.
 * A2  No living process is found twice, and none that carries an id of the journal is left out.
 * A3  How a process ended is what the kernel says, or unknown.
 */

import type { SlotMemory } from "../journal/records.ts";
import type { Birth, JournalTable, SlotEntry, WatcherEntry } from "../journal/table.ts";
import { type ProcessEnd, UNKNOWN_END } from "../watcher/state.ts";

/** What the kernel says of one process. */
export interface ProcessFact {
  readonly pid: number;
  /** Start time of `/proc/PID/stat`. */
  readonly ticks: number;
  /** It has ended, and only its status is left; null: it lives. */
  readonly end: ProcessEnd | null;
}

export interface Living {
  readonly slot: SlotMemory;
  readonly birth: Birth;
  readonly pid: number;
  readonly ticks: number;
}

export interface Gone {
  readonly slot: SlotMemory;
  readonly pid: number;
  readonly end: ProcessEnd;
}

export interface Finding {
  readonly name: string;
  readonly entry: WatcherEntry;
  /** In the order of spawning. */
  readonly living: readonly Living[];
  readonly gone: readonly Gone[];
}

/**
 * @param facts by pid, of all that the table names
 * @param byId the process that was started with an id, for those whose pid was not written down
 */
export function survey(
  table: JournalTable,
  facts: ReadonlyMap<number, ProcessFact>,
  byId: ReadonlyMap<string, ProcessFact>,
): readonly Finding[] {
  return [...table.watchers].map(([name, entry]) => {
    const found = [...entry.slots.values()].flatMap((slot) => findOne(slot, facts, byId) ?? []);
    return {
      ...{ name, entry },
      living: found.flatMap((one) => ("ticks" in one ? [one] : [])),
      gone: found.flatMap((one) => ("ticks" in one ? [] : [one])),
    };
  });
}

/** Null: it was never forked. */
function findOne(
  { slot, birth }: SlotEntry,
  facts: ReadonlyMap<number, ProcessFact>,
  byId: ReadonlyMap<string, ProcessFact>,
): Living | Gone | null {
  if (birth === null) return null;
  if (birth.pid === null) {
    const fact = byId.get(birth.id);
    if (fact === undefined) return null;
    const { pid, ticks, end } = fact;
    return end === null ? { slot, birth, pid, ticks } : { slot, pid, end };
  }
  const { pid, ticks } = birth;
  const fact = facts.get(pid);
  if (ticks === null || fact?.ticks !== ticks) return { slot, pid, end: UNKNOWN_END };
  return fact.end === null ? { slot, birth, pid, ticks } : { slot, pid, end: fact.end };
}

/** One that ended with the boot before this one, or with its container: nobody saw it, and it cannot live. */
export interface SweptAway {
  readonly watcher: string;
  readonly wid: number;
  readonly pid: number;
}

/** What ran when the journal of another boot was written last. */
export function sweptAway({ watchers }: Pick<JournalTable, "watchers">): readonly SweptAway[] {
  return [...watchers].flatMap(([watcher, { slots }]) =>
    [...slots].flatMap(([wid, { birth }]) => {
      const pid = birth?.pid ?? null;
      return pid === null ? [] : [{ watcher, wid, pid }];
    }),
  );
}

/** Processes that carry an id which the table knows nothing of. */
export function strangers(table: JournalTable, byId: ReadonlyMap<string, ProcessFact>): readonly ProcessFact[] {
  const known = new Set(
    [...table.watchers.values()].flatMap(({ slots }) => [...slots.values()].flatMap(({ birth }) => birth?.id ?? [])),
  );
  return [...byId].flatMap(([id, fact]) => (known.has(id) || fact.end !== null ? [] : [fact]));
}
