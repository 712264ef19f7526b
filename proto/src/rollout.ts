/** A change over hosts: what is asked, the computed plan, and the record that is kept (design §5). */
import { type Schema, v } from "./schema.ts";
import type { Millis } from "./time.ts";

/** A count of hosts, or a share of all targets: rounded up for waves, down for tolerances. */
export type Share = { readonly kind: "count"; readonly n: number } | { readonly kind: "percent"; readonly p: number };

export interface RolloutOptions {
  /** Hosts in each wave; the last one repeats. */
  readonly batch: readonly Share[];
  /** Failed hosts tolerated over the whole rollout. */
  readonly maxFail: Share;
  /** A host counts as done only after it stayed healthy this long. */
  readonly soakMs: Millis;
  /** Longest wait for a host to become healthy. */
  readonly healthTimeoutMs: Millis;
}

/** Design §5's table. */
export const ROLLOUT_DEFAULTS: RolloutOptions = {
  batch: [{ kind: "percent", p: 25 }],
  maxFail: { kind: "count", n: 0 },
  soakMs: 10_000,
  healthTimeoutMs: 60_000,
};

/** Reads `3` or `25%`; null where it is neither. */
export function parseShare(text: string): Share | null {
  const match = /^(\d{1,6})(%?)$/.exec(text.trim());
  if (match === null) return null;
  const n = Number(match[1]);
  if (match[2] === "%") return n <= 100 ? { kind: "percent", p: n } : null;
  return { kind: "count", n };
}

/** `3` or `25%`. */
export function formatShare(share: Share): string {
  return share.kind === "count" ? String(share.n) : `${share.p}%`;
}

/** Reads `--batch`: a comma list of counts or percentages, each at least 1; null where it is none. */
export function parseBatch(text: string): readonly Share[] | null {
  const shares = text.split(",").map(parseShare);
  return shares.every((share) => share !== null && (share.kind === "count" ? share.n : share.p) > 0)
    ? (shares as Share[])
    : null;
}

export const STEP_STATES = [
  "pending",
  "sent",
  "accepted",
  "restarted",
  "soaking",
  "done",
  "failed",
  "untouched",
  "skipped",
] as const;
export type StepState = (typeof STEP_STATES)[number];
export const ROLLOUT_STATES = ["running", "done", "failed"] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

export interface RolloutStep {
  readonly host: string;
  /** From 0. */
  readonly wave: number;
  readonly state: StepState;
  /** `rollout/host/attempt`, fixed and stored before the first sending. */
  readonly commandId: string;
  /** Newest generation of the watcher's processes before; null while not known. */
  readonly generationBefore: number | null;
  readonly pidsBefore: readonly number[];
  readonly pidsAfter: readonly number[];
  /** Why it failed or was skipped. */
  readonly reason: string | null;
  /** Wall ms of the last change. */
  readonly updated: Millis;
}

/** Answer of `rollout show`, and what every controller keeps. */
export interface RolloutRecord {
  readonly id: string;
  readonly command: string;
  readonly watcher: string;
  readonly actor: string;
  readonly created: Millis;
  readonly ended: Millis | null;
  readonly state: RolloutState;
  readonly reason: string | null;
  readonly options: RolloutOptions;
  readonly steps: readonly RolloutStep[];
}

/** What `F.ctl.USER.rollout-start` carries. */
export interface RolloutRequest {
  readonly command: "restart";
  readonly watcher: string;
  /** Null: every host that has the watcher. */
  readonly hosts: readonly string[] | null;
  readonly options: Partial<RolloutOptions>;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const share = v.variant("kind", [
  v.strictObject({ kind: v.literal("count"), n: whole }),
  v.strictObject({ kind: v.literal("percent"), p: v.pipe(v.number(), v.minValue(0), v.maxValue(100)) }),
]);

export const rolloutRequest: Schema<RolloutRequest> = v.strictObject({
  command: v.literal("restart"),
  watcher: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  hosts: v.nullable(v.pipe(v.array(v.string()), v.maxLength(100_000))),
  options: v.strictObject({
    batch: v.exactOptional(v.pipe(v.array(share), v.minLength(1), v.maxLength(100))),
    maxFail: v.exactOptional(share),
    soakMs: v.exactOptional(whole),
    healthTimeoutMs: v.exactOptional(whole),
  }),
});
