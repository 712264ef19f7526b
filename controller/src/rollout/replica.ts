/**
 * Rollouts as the other controllers know them: what a leader has stored, as events of `_fleet`. Pure.
 *
 * Each saving has a place (the leader's fence, then a count); rows of an older place are dropped. The head goes
 * last: without it a plan is not there, and a saving of which only steps arrived is repeated by the next leader. A
 * head that names very many hosts goes in pieces of its JSON.
 */
import { compareFences, type EventDraft, type Fence, isId, parse, type Schema, v } from "@circus-cluster/proto";

/** Of JSON; a broker takes 1 MiB at once. */
const CHUNK_CHARS = 200_000;
/** 10,000 of them hold the names of more hosts than there can be. */
const PIECES_MAX = 10_000;
/** Before the first leader. */
const NO_FENCE: Fence = { bucket: 0, revision: 0 };

/** Of a saving: by which leader, and its how-manieth. */
export interface Place extends Fence {
  readonly saves: number;
}

/** Rows by the names of their columns. */
export type Row = Readonly<Record<string, string | number | null>>;

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
  /** Null: more follows, or it comes in pieces. */
  readonly head: Row | null;
  readonly piece?: Piece | undefined;
  readonly steps: readonly Row[];
}

interface Piece {
  /** From 0. */
  readonly at: number;
  /** How many there are. */
  readonly of: number;
  readonly text: string;
}

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const count = v.pipe(whole, v.maxValue(PIECES_MAX));
const row = v.record(v.string(), v.union([v.string(), v.pipe(v.number(), v.finite()), v.null()]));
const replicaSchema: Schema<Replica> = v.looseObject({
  rollout: v.pipe(v.string(), v.check(isId, "is no id")),
  controller: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  place: v.strictObject({ bucket: whole, revision: whole, saves: whole }),
  head: v.nullable(row),
  piece: v.optional(v.strictObject({ at: count, of: count, text: v.string() })),
  steps: v.array(row),
});

/** The head whose JSON came in pieces; null where it is none. */
export function headOfPieces(texts: readonly string[]): Row | null {
  try {
    const parsed = parse(row, JSON.parse(texts.join("")));
    return parsed.ok ? parsed.value : null;
  } catch {
    return null;
  }
}

/** Null for what is none. */
export function replicaOf(data: unknown): Replica | null {
  const parsed = parse(replicaSchema, data);
  return parsed.ok ? parsed.value : null;
}

export function draftsOf({ rollout, watcher, place, head, steps }: Saved, controller: string): readonly EventDraft[] {
  const text = JSON.stringify(head);
  const pieces = text.length > CHUNK_CHARS ? cut(text) : null;
  const chunks: Row[][] = [[]];
  let size = pieces === null ? text.length : 0;
  for (const step of steps) {
    const length = JSON.stringify(step).length;
    if (size + length > CHUNK_CHARS) {
      chunks.push([]);
      size = 0;
    }
    size += length;
    chunks.at(-1)?.push(step);
  }
  const draft = (part: Pick<Replica, "head" | "piece" | "steps">): EventDraft => {
    const data: Replica = { rollout, controller, place, ...part };
    return { kind: "rollout_saved", watcher, cause: rollout, data: { ...data } };
  };
  const isLast = (at: number): boolean => pieces === null && at === chunks.length - 1;
  return [
    ...chunks.map((steps, at) => draft({ head: isLast(at) ? head : null, steps })),
    ...(pieces ?? []).map((piece) => draft({ head: null, steps: [], piece })),
  ];
}

function cut(text: string): readonly Piece[] {
  const of = Math.ceil(text.length / CHUNK_CHARS);
  return Array.from({ length: of }, (_, at) => ({
    ...{ at, of },
    text: text.slice(at * CHUNK_CHARS, (at + 1) * CHUNK_CHARS),
  }));
}

/** Negative: the first is older. */
export function comparePlaces(a: Place, b: Place): number {
  return compareFences(a, b) || a.saves - b.saves;
}

/** Has a later leader than the one with this fence saved it? */
export function isLater(place: Place, fence: Fence | null): boolean {
  return compareFences(place, fence ?? NO_FENCE) > 0;
}

export function placeAfter(last: Place | null, fence: Fence | null): Place {
  const { bucket, revision } = fence ?? NO_FENCE;
  return { bucket, revision, saves: (last?.saves ?? 0) + 1 };
}
