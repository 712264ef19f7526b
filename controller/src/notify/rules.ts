/** What a `[notify:NAME]` section asks for: who is told of what, and how. Pure. */
import { fulfils, type LabelCondition, type Millis } from "@circus-cluster/proto";
import type { Sighting } from "./sightings.ts";

export const CONDITIONS = [
  "host_lost",
  "host_conflict",
  "watcher_failed",
  "watcher_flapping",
  "rollout_failed",
  "rollout_ended",
  "events_lost",
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Without `on`: what somebody has to look at. */
export const USUAL_CONDITIONS: readonly Condition[] = CONDITIONS.filter((condition) => condition !== "rollout_ended");

export type Target =
  /** `tokenFile`: its first line goes along as a bearer token, read anew for each delivery. */
  | { readonly kind: "webhook"; readonly url: string; readonly tokenFile: string | null }
  /** A line for /bin/sh. */
  | { readonly kind: "command"; readonly line: string };

export interface Rule {
  readonly name: string;
  readonly on: readonly Condition[];
  /** Null: all hosts. */
  readonly where: readonly LabelCondition[] | null;
  /** Patterns with `*` and `?`; null: all watchers. */
  readonly watchers: readonly string[] | null;
  readonly target: Target;
  /** The same is not told again within this. */
  readonly quietMs: Millis;
  /** So many unasked exits within so long are flapping. */
  readonly flapping: { readonly exits: number; readonly withinMs: Millis };
  /** Is the end of a condition told too? */
  readonly tellsEnd: boolean;
}

export const RULE_DEFAULTS = {
  quietMs: 600_000,
  flapping: { exits: 5, withinMs: 120_000 },
  tellsEnd: true,
} as const satisfies Partial<Rule>;

/** Under which of its conditions a rule tells this; null: not at all. @param labelsOf of a host, {} where unknown */
export function matched(
  rule: Rule,
  sighting: Pick<Sighting, "conditions" | "host" | "watcher">,
  labelsOf: (host: string) => Readonly<Record<string, string>>,
): Condition | null {
  const { conditions, host, watcher } = sighting;
  const condition = conditions.find((one) => rule.on.includes(one));
  if (condition === undefined) return null;
  // What is of the whole fleet has no labels to be chosen by.
  if (rule.where !== null && host !== null && !fulfils(labelsOf(host), rule.where)) return null;
  if (rule.watchers !== null && watcher !== null && !rule.watchers.some((one) => isLike(one, watcher))) return null;
  return condition;
}

function isLike(pattern: string, name: string): boolean {
  const text = pattern
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("\\*", ".*")
    .replaceAll("\\?", ".");
  return new RegExp(`^${text}$`, "s").test(name);
}
