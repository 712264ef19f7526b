/**
 * What a command looks like on NATS, and what comes back. A closed schema: a JetStream PubAck that is
 * reflected into a command subject fails it (design §4, "PubAck reflection"). The actor is not in here:
 * it is the USER token of the subject.
 */
import { isId } from "./names.ts";
import { type Schema, v } from "./schema.ts";
import type { Millis } from "./time.ts";

/** How far `issued` may lie in the agent's future, or past its `ttl`, before a command is refused. */
export const CLOCK_TOLERANCE_MS = 60_000;
export const TTL_DEFAULT_MS = 30_000;
/** Largest frame that any door reads, in bytes. */
export const FRAME_BYTES_MAX = 1024 * 1024;

/** Leader's number (design §5): compared by `bucket` first, then `revision`. */
export interface Fence {
  readonly bucket: number;
  readonly revision: number;
}

/** Negative: the first is older. */
export function compareFences(a: Fence, b: Fence): number {
  return a.bucket - b.bucket || a.revision - b.revision;
}

export interface CommandEnvelope {
  readonly v: 1;
  /** Chosen before the first sending and kept on every repeat. */
  readonly id: string;
  /** Wall ms of the asker. */
  readonly issued: Millis;
  readonly ttl: Millis;
  readonly command: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly fence?: Fence | undefined;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

export const commandEnvelope: Schema<CommandEnvelope> = v.strictObject({
  v: v.literal(1),
  id: v.pipe(v.string(), v.check(isId, "is no id")),
  issued: whole,
  ttl: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3_600_000)),
  command: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  properties: v.record(v.string(), v.unknown()),
  fence: v.optional(v.strictObject({ bucket: whole, revision: whole })),
});

/** Is it too old or too far ahead for a clock that shows `nowWallMs`? Null where it is fresh. */
export function staleness(envelope: CommandEnvelope, nowWallMs: Millis): "stale" | "future" | null {
  if (envelope.issued > nowWallMs + CLOCK_TOLERANCE_MS) return "future";
  if (nowWallMs > envelope.issued + envelope.ttl + CLOCK_TOLERANCE_MS) return "stale";
  return null;
}

/** Per host, what became of a command (design §5): the four words an operator sees. */
export const OUTCOMES = ["not delivered", "accepted", "done", "refused"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A reply of a handler: Circus's own shape (reference §5.3) without `id`. */
export type CircusReply = Readonly<Record<string, unknown>> & { readonly status: string; readonly time: number };

/** The one answer of an agent to one command. */
export interface CommandAnswer {
  readonly v: 1;
  readonly id: string;
  readonly outcome: "accepted" | "done" | "refused";
  readonly reply: CircusReply;
}

export const commandAnswer: Schema<CommandAnswer> = v.looseObject({
  v: v.literal(1),
  id: v.string(),
  outcome: v.picklist(["accepted", "done", "refused"]),
  reply: v.looseObject({ status: v.string(), time: v.number() }),
});
