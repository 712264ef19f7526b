/** A change over hosts: what is asked, the computed plan, and the record that is kept (design §5). */
import { configMove } from "./commands/config-push.ts";
import type { Outcome } from "./envelope.ts";
import { CONDITIONS_MAX, type LabelCondition } from "./labels.ts";
import { parse, type Schema, v } from "./schema.ts";
import type { Share } from "./shares.ts";
import type { Millis } from "./time.ts";

/** Changes that may go over hosts in waves: of one watcher, or of all; each is harmless when it is sent twice. */
export const ROLLOUT_COMMANDS = [
  "restart",
  "reload",
  "set",
  "incr",
  "decr",
  "start",
  "stop",
  "signal",
  "reloadconfig",
  /** Another configuration file: `ConfigMove`. */
  "config",
] as const;
export type RolloutCommand = (typeof ROLLOUT_COMMANDS)[number];

/** Stands for the watcher of a rollout that concerns all that a host has. */
export const ALL_WATCHERS = "*";

/** `given`: as `--host` names them. */
export const HOST_ORDERS = ["name", "reverse", "given"] as const;
export type HostOrder = (typeof HOST_ORDERS)[number];
export const LOST_POLICIES = ["fail", "skip"] as const;
export type LostPolicy = (typeof LOST_POLICIES)[number];
export const FAIL_POLICIES = ["stop", "rollback"] as const;
export type FailPolicy = (typeof FAIL_POLICIES)[number];

export interface RolloutOptions {
  /** Hosts in each wave; the last one repeats. */
  readonly batch: readonly Share[];
  /** Hosts of a first wave of its own; 0: none. */
  readonly canary: number;
  /** Pause after the canary; null: until somebody resumes. */
  readonly canaryPauseMs: Millis | null;
  /** Failed hosts tolerated over the whole rollout. */
  readonly maxFail: Share;
  /** Hosts of this watcher that have to stay healthy; null: all but one wave and the failures tolerated. */
  readonly minHealthy: Share | null;
  /** A host counts as done only after it stayed healthy this long. */
  readonly soakMs: Millis;
  /** Pause between waves; null: each waits for somebody to resume. */
  readonly waitMs: Millis | null;
  /** Longest wait for a host to become healthy. */
  readonly healthTimeoutMs: Millis;
  /** For the whole, of time in which it runs; null: none. */
  readonly deadlineMs: Millis | null;
  /**
   * Each host is drained before: `hooks.before_drain`, so much time, and once it is healthy again `hooks.after_undrain`.
   * 0: not.
   */
  readonly drainMs: Millis;
  readonly order: HostOrder;
  /** Never two hosts with one value of this label in a wave. */
  readonly spread: string | null;
  /** Only the first hosts of the order; null: all. */
  readonly limit: number | null;
  /** A host that is or goes silent. */
  readonly onLost: LostPolicy;
  /** `rollback`, for `set`, `incr`, `decr` and `config`: what was before comes back where it was changed. */
  readonly onFail: FailPolicy;
}

/** Design §5's table. */
export const ROLLOUT_DEFAULTS: RolloutOptions = {
  batch: [{ kind: "percent", p: 25 }],
  canary: 0,
  canaryPauseMs: null,
  maxFail: { kind: "count", n: 0 },
  minHealthy: null,
  soakMs: 10_000,
  waitMs: 0,
  healthTimeoutMs: 60_000,
  deadlineMs: null,
  drainMs: 0,
  order: "name",
  spread: null,
  limit: null,
  onLost: "fail",
  onFail: "stop",
};

export const STEP_STATES = [
  "pending",
  /** `hooks.before_drain` is called. */
  "draining",
  /** Out of its balancer: what is under way there may come to its end. */
  "drained",
  "sent",
  "accepted",
  "restarted",
  /** `hooks.after_undrain` is called: healthy again, or let alone. */
  "undraining",
  "soaking",
  "done",
  "failed",
  "restored",
  "untouched",
  "skipped",
] as const;
export type StepState = (typeof STEP_STATES)[number];
export const ROLLOUT_STATES = ["running", "paused", "aborting", "done", "failed", "aborted", "superseded"] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

/** Has it ended? It may be taken up again by `retry` or `resume --skip-failed`. */
export function hasEnded(state: RolloutState): boolean {
  return state === "done" || state === "failed" || state === "aborted" || state === "superseded";
}

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
  /** What became of the command so far; null: it was not sent. */
  readonly outcome: Outcome | null;
  /** Why it failed or was skipped. */
  readonly reason: string | null;
  /** Wall ms of the last change. */
  readonly updated: Millis;
}

/** Which hosts were meant; both null: every host that has the watcher. */
export interface RolloutSelection {
  readonly hosts: readonly string[] | null;
  readonly where: readonly LabelCondition[] | null;
}

/** Answer of `rollout show`, and what every controller keeps. */
export interface RolloutRecord extends RolloutSelection {
  readonly id: string;
  readonly command: RolloutCommand;
  /** Of the command, as they were asked for. */
  readonly properties: Readonly<Record<string, unknown>>;
  readonly watcher: string;
  readonly actor: string;
  readonly created: Millis;
  readonly ended: Millis | null;
  readonly state: RolloutState;
  /** Why it is in this state. */
  readonly reason: string | null;
  /** What it waits for although it runs; null: it goes on. */
  readonly waiting: string | null;
  /** Hosts of the watcher that have to stay healthy. */
  readonly floor: number;
  /** From 1; `retry` begins the next. */
  readonly attempt: number;
  /** Grows with every change of what is shown. */
  readonly revision: number;
  readonly options: RolloutOptions;
  readonly steps: readonly RolloutStep[];
  /** Hosts that would be meant today but joined after the plan was made; only where they were looked for. */
  readonly late?: readonly string[] | undefined;
}

/** What `F.ctl.USER.rollout-start` carries. */
export interface RolloutRequest extends RolloutSelection {
  readonly command: RolloutCommand;
  readonly watcher: string;
  /** @default none */
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
  readonly options: Partial<RolloutOptions>;
  /** An emergency: takes the place of a rollout of this watcher that has not ended. @default false */
  readonly supersede?: boolean | undefined;
}

/** Longest time that an option takes. */
export const DURATION_MAX: Millis = 30 * 86_400_000;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const duration = v.pipe(whole, v.maxValue(DURATION_MAX));
const share = v.variant("kind", [
  v.strictObject({ kind: v.literal("count"), n: whole }),
  v.strictObject({ kind: v.literal("percent"), p: v.pipe(v.number(), v.minValue(0), v.maxValue(100)) }),
]);
const nameText = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const maybe = v.exactOptional;

const short = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

const labelConditions: Schema<readonly LabelCondition[]> = v.pipe(
  v.array(v.strictObject({ key: short, isEqual: v.boolean(), value: short })),
  v.maxLength(CONDITIONS_MAX),
);

export const rolloutRequest: Schema<RolloutRequest> = v.pipe(
  v.strictObject({
    command: v.picklist(ROLLOUT_COMMANDS),
    watcher: nameText,
    properties: v.optional(v.record(v.string(), v.unknown())),
    hosts: v.nullable(v.pipe(v.array(v.string()), v.maxLength(100_000))),
    where: v.optional(v.nullable(labelConditions), null),
    options: v.strictObject({
      batch: maybe(v.pipe(v.array(share), v.minLength(1), v.maxLength(100))),
      canary: maybe(v.pipe(whole, v.maxValue(100_000))),
      canaryPauseMs: maybe(v.nullable(duration)),
      maxFail: maybe(share),
      minHealthy: maybe(v.nullable(share)),
      soakMs: maybe(duration),
      waitMs: maybe(v.nullable(duration)),
      healthTimeoutMs: maybe(duration),
      deadlineMs: maybe(v.nullable(duration)),
      drainMs: maybe(duration),
      order: maybe(v.picklist(HOST_ORDERS)),
      spread: maybe(v.nullable(nameText)),
      limit: maybe(v.nullable(v.pipe(whole, v.minValue(1)))),
      onLost: maybe(v.picklist(LOST_POLICIES)),
      onFail: maybe(v.picklist(FAIL_POLICIES)),
    }),
    supersede: v.optional(v.boolean()),
  }),
  v.check(
    ({ command, watcher }) => isOfHost(command) === (watcher === ALL_WATCHERS),
    `reloadconfig and config are for all watchers ('${ALL_WATCHERS}'), every other command for one`,
  ),
  v.check(
    ({ command, properties }) => command !== "config" || parse(configMove, properties).ok,
    "config takes a version, or one to come back from",
  ),
  v.check(({ hosts, where }) => hosts === null || where === null, "hosts and where exclude each other"),
  v.check(
    ({ command, options }) => options.onFail !== "rollback" || canRollBack(command),
    "only set, incr, decr and config can be rolled back",
  ),
  v.check(
    ({ command, options }) => (options.drainMs ?? 0) === 0 || canDrain(command),
    "hosts are drained only for restart and reload",
  ),
);

export function canRollBack(command: RolloutCommand): boolean {
  return command === "set" || command === "incr" || command === "decr" || command === "config";
}

/** It concerns all that a host has, and names no watcher. */
export function isOfHost(command: RolloutCommand): boolean {
  return command === "reloadconfig" || command === "config";
}

/** Takes processes away that come back: before, a host can be taken out of its balancer. */
export function canDrain(command: RolloutCommand): boolean {
  return command === "restart" || command === "reload";
}

const id = nameText;
/** What `F.ctl.USER.rollout-resume` carries. */
export interface ResumeRequest {
  readonly id: string;
  /** Take up one that failed: its failed hosts are left out from now on. */
  readonly skipFailed: boolean;
}
export const rolloutId: Schema<{ readonly id: string }> = v.strictObject({ id });
export const resumeRequest: Schema<ResumeRequest> = v.strictObject({ id, skipFailed: v.boolean() });
