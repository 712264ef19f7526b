/** The questions and changes of the fleet, verb by verb: checked properties in, result out. No transport. */
import {
  CircusError,
  type ErrorCode,
  FLEET_CONTROLS,
  FLEET_QUERIES,
  type FleetAnswers,
  isCircusError,
  issueText,
  parse,
  type Schema,
} from "@circus-cluster/proto";
import type { FleetView } from "../fleet-view.ts";
import { type Attributable, attribute } from "../rollout/attribution.ts";
import type { Rollouts } from "../rollout/rollouts.ts";
import { type UsageSource, usageAnswer } from "../usage/answer.ts";

export interface AnswerParts {
  readonly view: Pick<FleetView, "status" | "hosts" | "history" | "historyAt" | "events" | "uptime" | "check">;
  readonly rollouts: Pick<Rollouts, "plan" | "start" | "decide" | "list" | "show" | "starter" | "isController">;
  readonly usage: UsageSource;
  /** Who leads, where it is not this controller; null: it is. */
  readonly refusal: () => string | null;
  /** Name of the controller that leads; null: none is known to. */
  readonly leader: () => string | null;
  readonly health: () => FleetAnswers["doctor"];
}

/** As it came through a door that has proven who asks. */
export interface Question {
  /** `q` asks, `ctl` changes: the broker knows rights by this. */
  readonly door: "q" | "ctl";
  readonly verb: string;
  readonly properties: unknown;
  readonly actor: string;
}

export type AnswerResult =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: ErrorCode; readonly reason: string };

type Handler = (properties: unknown, actor: string) => unknown;

/** Checks, then answers; the verb says what the answer has to be. The schema of the table is the only way in. */
function handler<V extends keyof FleetAnswers, T>(
  _verb: V,
  schema: Schema<T>,
  answer: (properties: T, actor: string) => FleetAnswers[V],
): Handler {
  return (given, actor) => {
    const parsed = parse(schema, given);
    if (!parsed.ok) throw new CircusError("message", issueText(parsed.issues));
    return answer(parsed.value, actor);
  };
}

export class Answers {
  readonly #handlers: Readonly<Record<Question["door"], ReadonlyMap<string, Handler>>>;

  readonly #refusal: AnswerParts["refusal"];

  constructor({ view, rollouts, usage, health, refusal, leader }: AnswerParts) {
    this.#refusal = refusal;
    const attributed = <T extends { readonly rows: readonly Attributable[] }>(answer: T): T => ({
      ...answer,
      rows: attribute(answer.rows, {
        isController: (name) => rollouts.isController(name),
        starter: (id) => rollouts.starter(id),
      }),
    });
    const Q = FLEET_QUERIES;
    const q: Readonly<Record<keyof typeof Q, Handler>> = {
      status: handler("status", Q.status, (query) => view.status(query)),
      hosts: handler("hosts", Q.hosts, (query) => view.hosts(query)),
      history: handler("history", Q.history, (query) => attributed(view.history(query))),
      "history-at": handler("history-at", Q["history-at"], (query) => attributed(view.historyAt(query))),
      events: handler("events", Q.events, (query) => attributed(view.events(query))),
      uptime: handler("uptime", Q.uptime, (query) => view.uptime(query)),
      usage: handler("usage", Q.usage, (query) => {
        view.check(query);
        return usageAnswer(usage, query, Date.now());
      }),
      "rollout-list": handler("rollout-list", Q["rollout-list"], ({ limit }) => ({
        rollouts: rollouts.list(limit),
        leader: leader(),
      })),
      "rollout-show": handler("rollout-show", Q["rollout-show"], ({ id }) => rollouts.show(id)),
      doctor: handler("doctor", Q.doctor, () => health()),
    };
    const C = FLEET_CONTROLS;
    const ctl: Readonly<Record<keyof typeof C, Handler>> = {
      "rollout-plan": handler("rollout-plan", C["rollout-plan"], (request, actor) => rollouts.plan(request, actor)),
      "rollout-start": handler("rollout-start", C["rollout-start"], (request, actor) => rollouts.start(request, actor)),
      "rollout-pause": handler("rollout-pause", C["rollout-pause"], ({ id }, actor) =>
        rollouts.decide(id, { kind: "pause", actor }),
      ),
      "rollout-resume": handler("rollout-resume", C["rollout-resume"], ({ id, skipFailed }, actor) =>
        rollouts.decide(id, { kind: "resume", skipFailed, actor }),
      ),
      "rollout-abort": handler("rollout-abort", C["rollout-abort"], ({ id }, actor) =>
        rollouts.decide(id, { kind: "abort", actor }),
      ),
      "rollout-retry": handler("rollout-retry", C["rollout-retry"], ({ id }, actor) =>
        rollouts.decide(id, { kind: "retry", actor }),
      ),
    };
    this.#handlers = { q: new Map(Object.entries(q)), ctl: new Map(Object.entries(ctl)) };
  }

  /** @throws what is our bug; a mistake of the asker is an answer */
  answer({ door, verb, properties, actor }: Question): AnswerResult {
    const handle = this.#handlers[door].get(verb);
    if (handle === undefined) {
      const what = door === "q" ? "question" : "change";
      return { ok: false, code: "command-unknown", reason: `no ${what} '${verb}' is known` };
    }
    const refusal = door === "ctl" ? this.#refusal() : null;
    if (refusal !== null) return { ok: false, code: "stale", reason: refusal };
    try {
      return { ok: true, result: handle(properties, actor) };
    } catch (error) {
      if (isCircusError(error)) return { ok: false, code: error.code, reason: error.message };
      throw error;
    }
  }
}
