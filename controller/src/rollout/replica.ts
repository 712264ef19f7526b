/**
 * Rollouts as the other controllers know them: what a leader has stored, as events of `_fleet`. Pure.
 *
 * Each saving has a place (the leader's fence, then a count); rows of an older place are dropped. The head goes
 * last: without it a plan is not there, and a saving of which only steps arrived is repeated by the next leader.
 */
import { type EventDraft, type Fence, isId, parse, type Schema, v } from "@circus-cluster/proto";

/** Of JSON; a broker takes 1 MiB at once. */
const CHUNK_CHARS = 200_000;

export interface Place {
  readonly bucket: number;
  readonly revision: number;
  readonly saves: number;
}

/** Rows by the names of their columns. */
type Row = Readonly<Record<string, string | number | null>>;

export interface Saved {
  readonly rollout: string;
  readonly watcher: string;
  readonly place: Place;
  readonly head: Row;
  readonly steps: readonly Row[];
}

/** As it arrives: a part of a saving. */
export interface Replica {
  readonly rollout: string;
  /** Name of the controller that leads it. */
  readonly controller: string;
  readonly place: Place;
  /** Null: more follows. */
  readonly head: Row | null;
  readonly steps: readonly Row[];
}

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const row = v.record(v.string(), v.union([v.string(), v.pipe(v.number(), v.finite()), v.null()]));
const replicaSchema: Schema<Replica> = v.looseObject({
  rollout: v.pipe(v.string(), v.check(isId, "is no id")),
  controller: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  place: v.strictObject({ bucket: whole, revision: whole, saves: whole }),
  head: v.nullable(row),
  steps: v.array(row),
});

/** Null for what is none. */
export function replicaOf(data: unknown): Replica | null {
  const parsed = parse(replicaSchema, data);
  return parsed.ok ? parsed.value : null;
}

export function draftsOf({ rollout, watcher, place, head, steps }: Saved, controller: string): readonly EventDraft[] {
  const chunks: Row[][] = [[]];
  let size = JSON.stringify(head).length;
  for (const step of steps) {
    const length = JSON.stringify(step).length;
    if (size + length > CHUNK_CHARS) {
      chunks.push([]);
      size = 0;
    }
    size += length;
    chunks.at(-1)?.push(step);
  }
  return chunks.map((part, at) => {
    const data: Replica = { rollout, controller, place, head: at === chunks.length - 1 ? head : null, steps: part };
    return { kind: "rollout_saved", watcher, cause: rollout, data: { ...data } };
  });
}

/** Negative: the first is older. */
export function comparePlaces(a: Place, b: Place): number {
  return a.bucket - b.bucket || a.revision - b.revision || a.saves - b.saves;
}

/** Has a later leader than the one with this fence saved it? */
export function isLater({ bucket, revision }: Place, fence: Fence | null): boolean {
  return (bucket - (fence?.bucket ?? 0) || revision - (fence?.revision ?? 0)) > 0;
}

export function placeAfter(last: Place | null, fence: Fence | null): Place {
  const { bucket, revision } = fence ?? { bucket: 0, revision: 0 };
  return { bucket, revision, saves: (last?.saves ?? 0) + 1 };
}
