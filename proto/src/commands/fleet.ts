/**
 * What people ask the controllers: `F.q.USER.VERB` (questions) and `F.ctl.USER.VERB` (changes), design §4.
 * A request is closed; an answer says when and by whom it was made.
 */

import type { Outcome } from "../envelope.ts";
import type { ErrorCode } from "../errors.ts";
import type { WatcherState } from "../events.ts";
import { type RolloutRecord, resumeRequest, rolloutId, rolloutRequest } from "../rollout.ts";
import { type Schema, v } from "../schema.ts";
import type { Presence } from "../snapshot.ts";
import type { Millis } from "../time.ts";
import { USAGE_BY, type UsageAnswer, type UsageBy } from "../usage.ts";

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const nameText = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const hostList = v.nullable(v.pipe(v.array(nameText), v.maxLength(100_000)));

/** Null stands for "all". */
export interface HostFilter {
  readonly hosts: readonly string[] | null;
}
export interface StatusQuery extends HostFilter {
  readonly watcher: string | null;
}
export interface HistoryQuery extends HostFilter {
  readonly watcher: string | null;
  /** Wall ms; the window is [since, until). */
  readonly since: Millis;
  readonly until: Millis;
  /** Rows at most. */
  readonly limit: number;
}
export interface HistoryAtQuery extends HostFilter {
  readonly watcher: string | null;
  readonly at: Millis;
}

export interface EventsQuery extends HostFilter {
  readonly watcher: string | null;
  readonly kinds: readonly string[] | null;
  readonly actor: string | null;
  /** Wall ms; the window is [since, until), by the host's own clock. */
  readonly since: Millis;
  readonly until: Millis;
  /** Rows at most, the newest. */
  readonly limit: number;
}
export interface UptimeQuery extends HostFilter {
  readonly watcher: string | null;
  /** Wall ms; the window is [since, until). */
  readonly since: Millis;
  readonly until: Millis;
}

export interface UsageQuery extends HostFilter {
  readonly watcher: string | null;
  readonly by: UsageBy;
  /** Wall ms; the window is [since, until). */
  readonly since: Millis;
  readonly until: Millis;
  /** Buckets at most. */
  readonly points: number;
  /** Rows at most. */
  readonly limit: number;
}

/** The questions, with the schema of their properties. */
export const FLEET_QUERIES = {
  status: v.strictObject({ hosts: hostList, watcher: v.nullable(nameText) }) as Schema<StatusQuery>,
  hosts: v.strictObject({ hosts: hostList }) as Schema<HostFilter>,
  history: v.strictObject({
    hosts: hostList,
    watcher: v.nullable(nameText),
    since: whole,
    until: whole,
    limit: v.pipe(whole, v.maxValue(10_000)),
  }) as Schema<HistoryQuery>,
  "history-at": v.strictObject({ hosts: hostList, watcher: v.nullable(nameText), at: whole }) as Schema<HistoryAtQuery>,
  events: v.strictObject({
    hosts: hostList,
    watcher: v.nullable(nameText),
    kinds: v.nullable(v.pipe(v.array(nameText), v.minLength(1), v.maxLength(100))),
    actor: v.nullable(nameText),
    since: whole,
    until: whole,
    limit: v.pipe(whole, v.minValue(1), v.maxValue(10_000)),
  }) as Schema<EventsQuery>,
  uptime: v.strictObject({
    hosts: hostList,
    watcher: v.nullable(nameText),
    since: whole,
    until: whole,
  }) as Schema<UptimeQuery>,
  usage: v.strictObject({
    hosts: hostList,
    watcher: v.nullable(nameText),
    by: v.picklist(USAGE_BY),
    since: whole,
    until: whole,
    points: v.pipe(whole, v.minValue(1), v.maxValue(1000)),
    limit: v.pipe(whole, v.minValue(1), v.maxValue(10_000)),
  }) as Schema<UsageQuery>,
  "rollout-list": v.strictObject({ limit: v.pipe(whole, v.maxValue(1000)) }) as Schema<{ limit: number }>,
  "rollout-show": rolloutId,
  doctor: v.strictObject({}),
} as const;

export interface LogStreamQuery extends HostFilter {
  readonly watcher: string;
  /** From before, of each stream of each host. */
  readonly lines: number;
}

/** What the web page follows; circusctl asks the agents themselves. */
export const logStreamQuery: Schema<LogStreamQuery> = v.strictObject({
  hosts: hostList,
  watcher: nameText,
  lines: v.pipe(whole, v.maxValue(1000)),
});

/** The changes. A person's command to hosts goes through the controller too, so that it is recorded. */
export const FLEET_CONTROLS = {
  "rollout-plan": rolloutRequest,
  "rollout-start": rolloutRequest,
  "rollout-pause": rolloutId,
  "rollout-resume": resumeRequest,
  "rollout-abort": rolloutId,
  "rollout-retry": rolloutId,
} as const;

export interface FleetAnswers {
  readonly status: { readonly hosts: readonly HostStatus[]; readonly unknownHosts: readonly string[] };
  readonly hosts: { readonly hosts: readonly HostInfo[]; readonly unknownHosts: readonly string[] };
  readonly history: {
    readonly rows: readonly HistoryRow[];
    readonly gaps: readonly HistoryGap[];
    readonly truncated: boolean;
  };
  readonly "history-at": {
    readonly at: Millis;
    readonly rows: readonly HistoryRow[];
    readonly gaps: readonly HistoryGap[];
  };
  readonly events: {
    /** Oldest first, in the order in which the stream took them. */
    readonly rows: readonly EventRow[];
    readonly gaps: readonly HistoryGap[];
    /** There were more than `limit`; the oldest are left out. */
    readonly truncated: boolean;
  };
  readonly uptime: {
    readonly since: Millis;
    readonly until: Millis;
    /** By host and watcher. */
    readonly rows: readonly UptimeRow[];
    readonly gaps: readonly HistoryGap[];
  };
  /** CPU, memory and processes over time; buckets of which nobody told are null. */
  readonly usage: UsageAnswer;
  readonly doctor: ControllerHealth;
  readonly "rollout-list": {
    readonly rollouts: readonly RolloutRecord[];
    /** Name of the controller that leads; null: none does; absent: an older controller answers. */
    readonly leader?: string | null | undefined;
  };
  readonly "rollout-show": RolloutRecord;
  readonly "rollout-plan": RolloutRecord;
  readonly "rollout-start": RolloutRecord;
  readonly "rollout-pause": RolloutRecord;
  readonly "rollout-resume": RolloutRecord;
  readonly "rollout-abort": RolloutRecord;
  readonly "rollout-retry": RolloutRecord;
}

/** One of the controllers of a fleet, as another one hears of it. */
export interface ControllerInfo {
  readonly name: string;
  readonly isLeading: boolean;
  /** It takes part in the election. */
  readonly hasLock: boolean;
  readonly version: string;
  /** Ms since its last sign; 0: it is the one that answers. */
  readonly ageMs: Millis;
}

/** How a controller itself is, for `circusctl doctor`. */
export interface ControllerHealth {
  readonly version: string;
  readonly upMs: Millis;
  /** The stream as it was a moment ago; null: it could not be read. */
  readonly stream: { readonly messages: number; readonly bytes: number; readonly firstSeq: number } | null;
  /** Events in the stream that are not in its database yet; null: not known. */
  readonly lag: number | null;
  /** Why events are not read at the moment; null: they are. */
  readonly trouble: string | null;
  /** Events that agents had and the stream has not. */
  readonly missing: number;
  readonly stateDir: {
    readonly path: string;
    readonly freeBytes: number;
    readonly totalBytes: number;
    /** Of the databases and their logs. */
    readonly usedBytes: number;
  };
  /** Wall ms before which events were dropped by retention; null: none. */
  readonly prunedBefore: Millis | null;
  /** All that it hears of, itself included, by name; absent: an older controller answers. */
  readonly controllers?: readonly ControllerInfo[] | undefined;
}

export interface HostStatus {
  readonly host: string;
  readonly presence: Presence;
  /** Ms since anything was heard of it; null: never. */
  readonly ageMs: Millis | null;
  readonly watchers: readonly {
    readonly name: string;
    readonly state: WatcherState;
    readonly since: Millis;
    /** Wanted; null where not known yet. */
    readonly numprocesses: number | null;
    readonly running: number;
    readonly healthy: number;
    readonly pids: readonly number[];
    readonly reason: string | null;
  }[];
}

export interface HostInfo {
  readonly host: string;
  readonly presence: Presence;
  /** Wall ms since which `presence` holds. */
  readonly since: Millis;
  readonly ageMs: Millis | null;
  /** Host's clock minus the stream's, ms; null where not measured. */
  readonly skewMs: Millis | null;
  readonly version: string | null;
  readonly load: number | null;
  /** Events the agent holds that the stream has not. */
  readonly backlog: number | null;
  readonly watchers: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface HistoryRow {
  readonly host: string;
  readonly watcher: string;
  readonly state: WatcherState;
  readonly from: Millis;
  /** Null: still so. */
  readonly to: Millis | null;
  /** Who asked for it, where somebody did. */
  readonly actor: string | null;
  readonly cause: string | null;
}

/** One stored event. */
export interface EventRow {
  /** `_fleet` for those of the controllers. */
  readonly host: string;
  readonly epoch: number;
  readonly seq: number;
  /** Wall ms on the host. */
  readonly time: Millis;
  /** Wall ms at which the stream took it. */
  readonly stored: Millis;
  readonly kind: string;
  readonly watcher: string | null;
  readonly pid: number | null;
  readonly wid: number | null;
  readonly actor: string | null;
  readonly cause: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** How one watcher on one host fared in a window; the five times add up to the part of it that is told of. */
export interface UptimeRow {
  readonly host: string;
  readonly watcher: string;
  readonly activeMs: Millis;
  /** Starting or stopping. */
  readonly changingMs: Millis;
  /** Because somebody wanted it so. */
  readonly stoppedMs: Millis;
  readonly failedMs: Millis;
  /** Nobody can tell: the host was lost. */
  readonly unknownMs: Millis;
  /** Active in per cent of the time that is known; null where none is. */
  readonly percent: number | null;
  /** Processes that ended, and those among them that nobody had asked to. */
  readonly exits: number;
  readonly crashes: number;
  /** Longest time without a break in which it was known not to be active; null: there was none. */
  readonly outage: { readonly from: Millis; readonly ms: Millis } | null;
}

/** Events that a controller knows to be missing: "history incomplete from … to …" (design §5). */
export interface HistoryGap {
  readonly host: string;
  readonly epoch: number;
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** The closed request on `q` and `ctl`. */
export interface FleetRequest {
  readonly v: 1;
  readonly id: string;
  readonly properties: Readonly<Record<string, unknown>>;
}
export const fleetRequest: Schema<FleetRequest> = v.strictObject({
  v: v.literal(1),
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  properties: v.record(v.string(), v.unknown()),
});

export type FleetAnswer<T = unknown> =
  | {
      readonly v: 1;
      readonly id: string;
      readonly ok: true;
      readonly controller: string;
      readonly time: Millis;
      readonly result: T;
    }
  | {
      readonly v: 1;
      readonly id: string;
      readonly ok: false;
      readonly controller: string;
      readonly time: Millis;
      readonly code: ErrorCode;
      readonly reason: string;
    };

/** What circusctl says per host after a command. */
export interface HostOutcome {
  readonly host: string;
  readonly outcome: Outcome;
  readonly reply: Readonly<Record<string, unknown>> | null;
  readonly reason: string | null;
}
