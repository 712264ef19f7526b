/**
 * Answers above the broker's limit of one message: the first message says what follows, then come the bytes of the
 * answer in slices. The broker keeps the order of one sender's messages; a lost one shows as a timeout. Pure.
 */
import type { FleetAnswer } from "./commands/fleet.ts";
import { parse, type Schema, v } from "./schema.ts";

/** Half of the broker's `max_payload`. */
const PART_BYTES = 512 * 1024;
/** More than this is a question to be asked in a narrower way. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

interface PartsHead {
  readonly v: 1;
  readonly id: string;
  readonly parts: number;
  readonly bytes: number;
}

const partsHead: Schema<PartsHead> = v.looseObject({
  v: v.literal(1),
  id: v.string(),
  parts: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(Math.ceil(ANSWER_BYTES_MAX / PART_BYTES))),
  bytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(ANSWER_BYTES_MAX)),
});

/** @returns the messages to send, in order; null for an answer above {@link ANSWER_BYTES_MAX} */
export function answerMessages(answer: FleetAnswer): readonly Uint8Array[] | null {
  const bytes = new TextEncoder().encode(JSON.stringify(answer));
  if (bytes.length <= PART_BYTES) return [bytes];
  if (bytes.length > ANSWER_BYTES_MAX) return null;
  const parts = Math.ceil(bytes.length / PART_BYTES);
  const head: PartsHead = { v: 1, id: answer.id, parts, bytes: bytes.length };
  const slices = Array.from({ length: parts }, (_, at) => bytes.subarray(at * PART_BYTES, (at + 1) * PART_BYTES));
  return [new TextEncoder().encode(JSON.stringify(head)), ...slices];
}

/** Puts one answer together. */
export class AnswerReader {
  #head: PartsHead | null = null;
  #slices: Uint8Array[] = [];
  #value: unknown;

  /** The whole answer; undefined before the last message, and where it cannot be read. */
  get value(): unknown {
    return this.#value;
  }

  /** @returns true where nothing more is to come */
  take(data: Uint8Array): boolean {
    if (this.#head === null) {
      const value = json(data);
      const head = parse(partsHead, value);
      if (head.ok) this.#head = head.value;
      else this.#value = value;
      return !head.ok;
    }
    this.#slices.push(data);
    if (this.#slices.length < this.#head.parts) return false;
    const bytes = joined(this.#slices, this.#head.bytes);
    this.#slices = [];
    if (bytes !== null) this.#value = json(bytes);
    return true;
  }
}

/** Null where they are not as long as it was said. */
function joined(slices: readonly Uint8Array[], length: number): Uint8Array | null {
  if (slices.reduce((sum, slice) => sum + slice.length, 0) !== length) return null;
  const all = new Uint8Array(length);
  let at = 0;
  for (const slice of slices) {
    all.set(slice, at);
    at += slice.length;
  }
  return all;
}

function json(data: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    return undefined;
  }
}
