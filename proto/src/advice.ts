/** Progress of a rollout on `F.adv.CONTROLLER.rollout`: of a large one only what changed. Pure. */
import type { RolloutRecord, RolloutStep } from "./rollout.ts";

export interface RolloutAdvice {
  readonly v: 1;
  /** Absent: the record is whole. Else its steps are only those that differ from the record of this revision. */
  readonly since?: number;
  readonly rollout: RolloutRecord;
}

/** Up to so many steps the record goes as a whole. */
const WHOLE_MAX = 200;
/** About 400 bytes each; with more the reader has to ask for the record. */
const CHANGED_MAX = 1500;

/** @param before as it was told last; null: it was not */
export function adviceOf(record: RolloutRecord, before: RolloutRecord | null): RolloutAdvice {
  if (record.steps.length <= WHOLE_MAX) return { v: 1, rollout: record };
  const changed = record.steps.filter((step, at) => !isSame(step, before?.steps[at]));
  if (before === null || changed.length > CHANGED_MAX) {
    return { v: 1, since: record.revision, rollout: { ...record, hosts: null, steps: [] } };
  }
  return { v: 1, since: before.revision, rollout: { ...record, hosts: null, steps: changed } };
}

/** @returns the record as it is now; null where what came in between is not known: it has to be asked for */
export function recordAfter(known: RolloutRecord, { since, rollout }: RolloutAdvice): RolloutRecord | null {
  if (since === undefined || rollout.revision <= known.revision) return rollout;
  if (known.revision < since) return null;
  const changed = new Map(rollout.steps.map((step) => [step.host, step]));
  return { ...rollout, hosts: known.hosts, steps: known.steps.map((step) => changed.get(step.host) ?? step) };
}

function isSame(step: RolloutStep, before: RolloutStep | undefined): boolean {
  if (before === undefined) return false;
  const { pidsBefore, pidsAfter, ...rest } = step;
  return (
    (Object.keys(rest) as (keyof typeof rest)[]).every((key) => rest[key] === before[key]) &&
    String(pidsBefore) === String(before.pidsBefore) &&
    String(pidsAfter) === String(before.pidsAfter)
  );
}
