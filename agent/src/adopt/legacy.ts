/** From what the journal remembers of a watcher, and what was found of it, to the state that its core goes on from. Pure. */
import type { Millis } from "@circus-cluster/proto";
import type { LifeMemory, SlotMemory, WatcherMemory } from "../journal/records.ts";
import { type Legacy, type LiveProcess, NOBODY } from "../watcher/state.ts";
import type { Finding, Living } from "./survey.ts";

export interface Now {
  /** Of the agent's monotonic clock. */
  readonly nowMs: Millis;
  readonly wallMs: Millis;
  /** Of the system's monotonic clock at the zero of the agent's. */
  readonly zeroMs: Millis;
  /** In [0, 1). */
  readonly chance: () => number;
}

const MS_PER_TICK = 10;

/** What nothing was written about: a watcher that was never started. */
const NOTHING: WatcherMemory = {
  ...{ goal: "down", status: "stopped", generation: 0, spent: 0, succeeded: 0, restarts: 0, spawnFailures: 0 },
  ...{ reason: null, isFailed: false, retryAtMs: 0, vacancies: [], job: null },
};

export function legacyOf({ entry, living, gone }: Finding, now: Now): Legacy {
  const { retryAtMs, vacancies, ...memory } = entry.memory ?? NOTHING;
  const lives = new Map([
    ...living.map((one) => [one.slot.wid, processOf(one.slot, one.slot.life ?? lifeOf(one, now), now)] as const),
    ...gone.flatMap(({ slot, pid }) => {
      const life = slot.life ?? { ...UNSEEN, pid, startedMs: now.wallMs, sinceMs: now.nowMs + now.zeroMs };
      return [[slot.wid, processOf(slot, life, now)] as const];
    }),
  ]);
  return {
    ...memory,
    spawnNotBeforeMs: retryAtMs - now.zeroMs,
    vacancies: vacancies.map(({ crashes, dueMs }) => ({ crashes, dueMs: dueMs - now.zeroMs })),
    // In the order of the journal, which is that of spawning.
    processes: [...entry.slots.keys()].flatMap((wid) => lives.get(wid) ?? []),
    gone: gone.map(({ pid, end }) => ({ pid, ...end })),
    wallMs: now.wallMs,
  };
}

const UNSEEN = {
  health: "starting",
  ...{ healthyMs: null, ailment: null, chance: 0, isAnnounced: true, stop: null },
} as const;

/** Of a process whose agent ended before it could write down that it was born. */
function lifeOf({ pid, ticks }: Living, { nowMs, wallMs, zeroMs, chance }: Now): LifeMemory {
  const sinceMs = Math.min(ticks * MS_PER_TICK, nowMs + zeroMs);
  const startedMs = Math.round(wallMs - (nowMs + zeroMs - sinceMs));
  return { ...UNSEEN, pid, startedMs, sinceMs, chance: chance(), isAnnounced: false };
}

/**
 * One that waited for what a hook says of its stop is asked to go anew, where it still is to go. Whether the signal to
 * one that was being killed went out nobody knows: it gets it again, which does no harm. One that was only asked is not
 * asked twice, which some programs take for an order to hurry: its time runs on.
 */
function processOf({ wid, generation, crashes }: SlotMemory, life: LifeMemory, { nowMs, zeroMs }: Now): LiveProcess {
  const { sinceMs, healthyMs, stop, ...rest } = life;
  const process = {
    ...{ wid, generation, crashes, ...rest },
    sinceMs: sinceMs - zeroMs,
    healthyMs: healthyMs === null ? null : healthyMs - zeroMs,
  };
  if (stop === null || stop.phase === "asking") return { ...process, kind: "running" };
  const killAtMs = stop.phase === "killing" || stop.killAtMs === null ? nowMs : stop.killAtMs - zeroMs;
  return { ...process, kind: "stopping", phase: "signalled", reason: stop.reason, killAtMs, cause: NOBODY };
}
