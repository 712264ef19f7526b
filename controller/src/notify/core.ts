/**
 * From what is seen to what is told, for one rule and one thing: a pure step. It depends on the stream alone, so that
 * each controller comes to the same notices with the same ids, and the next leader knows what the last one has told.
 */
import { formatDuration, type Millis } from "@circus-cluster/proto";
import type { Condition, Rule } from "./rules.ts";
import type { Sighting } from "./sightings.ts";

/** What a rule remembers of one condition of one host or watcher. */
export interface Mark {
  /** The notice of what lasts now; null: nothing does. */
  readonly open: { readonly id: string; readonly due: Millis } | null;
  /** When the last notice was, or is, due; null: there was none. */
  readonly last: Millis | null;
  /** Counted events within the rule's window, oldest first. */
  readonly counted: readonly Millis[];
}

export const NO_MARK: Mark = { open: null, last: null, counted: [] };

export interface Notice {
  /** The same on every controller, and for each attempt to deliver it. */
  readonly id: string;
  readonly condition: Condition;
  readonly state: "begins" | "ends" | "happens";
  readonly host: string | null;
  readonly watcher: string | null;
  /** Of what it tells, wall ms. */
  readonly time: Millis;
  /** Not to be sent before. */
  readonly due: Millis;
  readonly text: string;
}

export interface Step {
  readonly mark: Mark;
  readonly add: Notice | null;
  /** Id of a notice that was not due yet, and has become untrue. */
  readonly drop: string | null;
}

type Ask = Pick<Rule, "name" | "quietMs" | "flapping" | "tellsEnd">;

/** What the marks of a rule are kept under; null: each of them is told, as a rollout ends only once. */
export function keyOf(condition: Condition, { host, watcher }: Sighting): string | null {
  return host === null ? null : `${condition} ${host} ${watcher ?? ""}`;
}

export function step(rule: Ask, mark: Mark, condition: Condition, sighting: Sighting): Step {
  switch (sighting.is) {
    case "begins":
      return begin(rule, mark, condition, sighting);
    case "ends":
      return end(rule, mark, condition, sighting);
    case "happens":
      return happen(rule, mark, condition, sighting);
    case "counts":
      return count(rule, mark, condition, sighting);
    default:
      return sighting.is satisfies never;
  }
}

/** Within the quiet time it waits for its end: what comes and goes is told once in that time, what stays is told late. */
function begin(rule: Ask, mark: Mark, condition: Condition, sighting: Sighting): Step {
  if (mark.open !== null) return { mark, add: null, drop: null };
  const due = mark.last === null ? sighting.time : Math.max(sighting.time, mark.last + rule.quietMs);
  const add = noticeOf(rule, condition, sighting, "begins", due);
  return { mark: { ...mark, open: { id: add.id, due }, last: due }, add, drop: null };
}

function end(rule: Ask, mark: Mark, condition: Condition, sighting: Sighting): Step {
  const { open } = mark;
  if (open === null) return { mark, add: null, drop: null };
  if (open.due > sighting.time) {
    return { mark: { ...mark, open: null, last: open.due - rule.quietMs }, add: null, drop: open.id };
  }
  const add = rule.tellsEnd ? noticeOf(rule, condition, sighting, "ends", sighting.time) : null;
  return { mark: { ...mark, open: null }, add, drop: null };
}

function happen(rule: Ask, mark: Mark, condition: Condition, sighting: Sighting): Step {
  const { time } = sighting;
  if (mark.last !== null && time < mark.last + rule.quietMs) return { mark, add: null, drop: null };
  return {
    mark: { ...mark, last: time },
    add: noticeOf(rule, condition, sighting, "happens", time),
    drop: null,
  };
}

function count(rule: Ask, mark: Mark, condition: Condition, sighting: Sighting): Step {
  const { exits, withinMs } = rule.flapping;
  const counted = [...mark.counted, sighting.time].filter((time) => time > sighting.time - withinMs).slice(-exits);
  if (counted.length < exits) return { mark: { ...mark, counted }, add: null, drop: null };
  const text = `${sighting.text}: ${exits} unasked exits within ${formatDuration(withinMs)}`;
  return happen(rule, { ...mark, counted: [] }, condition, { ...sighting, text });
}

function noticeOf(
  { name }: Ask,
  condition: Condition,
  sighting: Sighting,
  state: Notice["state"],
  due: Millis,
): Notice {
  const { host, watcher, time, text, origin } = sighting;
  return { id: `${name}.${condition}.${origin}`, condition, state, host, watcher, time, due, text };
}
