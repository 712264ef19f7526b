/**
 * What a step of a watcher's core changes in what has to be remembered: the difference of two states as records of the
 * journal. So nothing that happens to a process can be forgotten to be written down. Pure.
 */
import type { Millis } from "@circus-cluster/proto";
import { isLive, type ProcessState, type WatcherState } from "../watcher/state.ts";
import type { JournalRecord, LifeMemory, SlotMemory, WatcherMemory } from "./records.ts";

/** What {@link WatcherMemory} is made of. */
const REMEMBERED = [
  "goal",
  "status",
  "generation",
  "spent",
  "succeeded",
  "restarts",
  "spawnFailures",
  "reason",
  "isFailed",
  "spawnNotBeforeMs",
  "vacancies",
] as const;

/**
 * The records that bring the memory of `before` to that of `after`.
 *
 * @param zeroMs of the system's clock at the zero of the agent's
 */
export function changesOf(before: WatcherState, after: WatcherState, zeroMs: Millis): readonly JournalRecord[] {
  const { name } = after.config;
  const records: JournalRecord[] = [];
  const isOther = REMEMBERED.some((field) => before[field] !== after[field]) || isOtherJob(before, after);
  if (isOther) records.push({ t: "state", watcher: name, state: memoryOf(after, zeroMs) });
  if (before.processes !== after.processes) records.push(...changedSlots(name, before, after, zeroMs));
  return records;
}

function isOtherJob({ job: a }: WatcherState, { job: b }: WatcherState): boolean {
  return a?.kind !== b?.kind || a?.request !== b?.request || a?.failure !== b?.failure;
}

/** Only what lies between the first and the last that differ is looked at: a start of a thousand asks this thousands of times. */
function changedSlots(
  watcher: string,
  { processes: before }: WatcherState,
  { processes: after }: WatcherState,
  zeroMs: Millis,
): readonly JournalRecord[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const was = before.slice(start, before.length - end);
  const is = after.slice(start, after.length - end);
  const gone = was.filter((old) => !is.some((one) => isSuccessor(old, one)));
  return [
    ...gone.map(({ wid }) => ({ t: "gone", watcher, wid }) as const),
    ...is
      .filter((one) => !was.includes(one))
      .map((one) => ({ t: "slot", watcher, slot: slotOf(one, zeroMs) }) as const),
  ];
}

/** The same process, further on in its life. */
function isSuccessor(old: ProcessState, one: ProcessState): boolean {
  return old.wid === one.wid && (!isLive(old) || (isLive(one) && one.pid === old.pid));
}

function memoryOf(state: WatcherState, zeroMs: Millis): WatcherMemory {
  const { goal, status, generation, spent, succeeded, restarts, spawnFailures, reason, isFailed, vacancies, job } =
    state;
  return {
    ...{ goal, status, generation, spent, succeeded, restarts, spawnFailures, reason, isFailed },
    retryAtMs: state.spawnNotBeforeMs + zeroMs,
    vacancies: vacancies.map(({ crashes, dueMs }) => ({ crashes, dueMs: dueMs + zeroMs })),
    job:
      job === null
        ? null
        : {
            kind: job.kind,
            isSequential: job.request.command.kind === "reload" && job.request.command.sequential,
            failure: job.failure,
          },
  };
}

function slotOf(process: ProcessState, zeroMs: Millis): SlotMemory {
  const { wid, generation, crashes } = process;
  return { wid, generation, crashes, life: isLive(process) ? lifeOf(process, zeroMs) : null };
}

function lifeOf(process: Extract<ProcessState, { readonly pid: number }>, zeroMs: Millis): LifeMemory {
  const { pid, startedMs, sinceMs, health, healthyMs, ailment, chance, isAnnounced } = process;
  return {
    ...{ pid, startedMs, health, ailment, chance, isAnnounced },
    sinceMs: sinceMs + zeroMs,
    healthyMs: healthyMs === null ? null : healthyMs + zeroMs,
    stop:
      process.kind === "running"
        ? null
        : {
            phase: process.phase,
            reason: process.reason,
            killAtMs: Number.isFinite(process.killAtMs) ? process.killAtMs + zeroMs : null,
          },
  };
}
