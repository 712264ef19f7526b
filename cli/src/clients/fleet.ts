/**
 * The fleet as a person asks it: the connection, questions and changes to the controllers, what they tell; `agents` takes
 * commands straight to hosts. Every failure is a {@link FleetError} with the exit code that it ends in.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  AnswerReader,
  ERRORS,
  type EventRow,
  EXIT,
  type FleetAnswer,
  type FleetAnswers,
  type FleetRequest,
  fleetEvent,
  formatDuration,
  parse,
  parseUserName,
  type RolloutAdvice,
  reasonOf,
  Subjects,
  type UserName,
} from "@circus-cluster/proto";
import {
  connectFleet,
  FleetConnectError,
  type FleetConnection,
  type FleetMessage,
  type FleetStatus,
  type FleetSubscription,
  readCredentials,
} from "@circus-cluster/proto/nats";
import { FleetError } from "../fleet/error.ts";
import type { Settings } from "../settings.ts";
import { Agents } from "./agents.ts";
import { askAgain } from "./ask-again.ts";
import { newId } from "./id.ts";

export interface Answered<T> {
  readonly controller: string;
  /** Wall ms of the controller. */
  readonly time: number;
  readonly result: T;
}

const CONNECT_MS = 1500;
/** Another controller leads within this after the leader was lost (design §5). */
const ELECTION_MS = 12_000;
const ELECTION_POLL_MS = 500;

/** How the fleet is reached, and for how long an answer is waited for. */
type FleetSettings = Pick<Settings, "nats" | "creds" | "tls" | "timeoutMs">;

class NoController extends FleetError {}
class Silence extends FleetError {}

/** Shape only: what stands in `result` is the controller's word. */
function isFleetAnswer(value: unknown): value is FleetAnswer {
  if (typeof value !== "object" || value === null || !("ok" in value)) return false;
  return value.ok === true ? "result" in value : "reason" in value && typeof value.reason === "string";
}

export class FleetClient {
  readonly user: UserName;
  readonly role: string;
  readonly agents: Agents;
  readonly #connection: FleetConnection;
  readonly #subjects: Subjects;
  readonly #timeoutMs: number;
  #refused: (reason: FleetError) => void = () => undefined;
  /** Rejects when the broker refuses something: no answer will come then. */
  readonly #refusal: Promise<never>;

  private constructor(
    identity: { readonly user: UserName; readonly role: string; readonly fleet: string },
    timeoutMs: number,
    connection: FleetConnection,
    status: { listener: (status: FleetStatus) => void },
  ) {
    this.user = identity.user;
    this.role = identity.role;
    this.#connection = connection;
    this.#subjects = new Subjects(identity.fleet);
    this.#timeoutMs = timeoutMs;
    this.#refusal = new Promise((_, reject) => {
      this.#refused = reject;
    });
    this.#refusal.catch(() => undefined);
    const parts = { connection, subjects: this.#subjects, user: this.user, timeoutMs, refusal: this.#refusal };
    this.agents = new Agents(parts);
    status.listener = (event) => {
      if (event.kind !== "forbidden") return;
      const what = `${event.operation} ${event.subject}`;
      this.#refused(new FleetError(EXIT.refused, `${this.role} ${this.user} may not do that (${what} is refused)`));
    };
  }

  /** Connects within about two seconds. @throws FleetError: `local` for what is missing, `unreachable`. */
  static async open(settings: FleetSettings): Promise<FleetClient> {
    const { nats, creds, tls, timeoutMs } = settings;
    if (nats.length === 0)
      throw new FleetError(EXIT.local, "where is the fleet? Give --nats URL or set CIRCUSCTL_NATS");
    if (creds === null) throw new FleetError(EXIT.local, "who are you? Give --creds FILE or set CIRCUSCTL_CREDS");
    const status = { listener: (_: FleetStatus): void => undefined };
    try {
      const credentials = readCredentials(creds);
      const user = parseUserName(credentials.name);
      if (user === null || credentials.role === "agent" || credentials.role === "controller") {
        throw new Error(`credentials ${creds}: they are of ${credentials.role} ${credentials.name}, not of a person`);
      }
      const connection = await connectFleet({
        servers: nats,
        name: credentials.name,
        credentials,
        tls,
        mode: "once",
        timeoutMs: Math.min(CONNECT_MS, timeoutMs),
        onStatus: (event) => status.listener(event),
      });
      return new FleetClient({ user, role: credentials.role, fleet: credentials.fleet }, timeoutMs, connection, status);
    } catch (error) {
      const exit = error instanceof FleetConnectError ? EXIT.unreachable : EXIT.local;
      throw new FleetError(exit, reasonOf(error), { cause: error });
    }
  }

  /** Resolves when the connection is lost or closed. */
  get closed(): Promise<string | null> {
    return this.#connection.closed;
  }

  close(): Promise<void> {
    return this.#connection.close(200);
  }

  /** A question. @throws FleetError: no controller, its refusal, or its silence. */
  query<K extends keyof FleetAnswers>(verb: K, properties: object): Promise<Answered<FleetAnswers[K]>> {
    const subject = this.#subjects.query(this.user, verb);
    const ask = (leftMs: number): Promise<Answered<FleetAnswers[K]>> => this.#ask(subject, verb, properties, leftMs);
    return askAgain(ask, this.#timeoutMs, (error) => error instanceof Silence);
  }

  /** A change: for the controller that leads. @throws FleetError as `query` does. */
  async control<K extends keyof FleetAnswers>(verb: K, properties: object): Promise<Answered<FleetAnswers[K]>> {
    const give = (): Promise<Answered<FleetAnswers[K]>> =>
      this.#ask(this.#subjects.control(this.user, verb), verb, properties);
    const deadline = performance.now() + ELECTION_MS;
    for (;;) {
      try {
        return await give();
      } catch (error) {
        // Certainly not delivered, so it may be tried again: another one leads within seconds of a leader's loss.
        if (!(error instanceof NoController) || performance.now() > deadline) throw error;
        await this.query("rollout-list", { limit: 1 });
        await delay(ELECTION_POLL_MS);
      }
    }
  }

  async #ask<K extends keyof FleetAnswers>(
    subject: string,
    verb: K,
    properties: object,
    timeoutMs = this.#timeoutMs,
  ): Promise<Answered<FleetAnswers[K]>> {
    const request: FleetRequest = { v: 1, id: newId(), properties: { ...properties } };
    const reader = new AnswerReader();
    const isLast = ({ data }: FleetMessage): boolean => reader.take(data);
    const asked = this.#connection.request(subject, request, timeoutMs, { isLast });
    const result = await Promise.race([asked, this.#refusal]);
    switch (result.kind) {
      case "no-responders":
        throw new NoController(EXIT.unreachable, "no controller answers: none is connected to the fleet's NATS");
      case "timeout":
        throw new Silence(EXIT.unreachable, `no controller answered within ${formatDuration(this.#timeoutMs)}`);
      case "disconnected":
        throw new FleetError(EXIT.unreachable, "the connection to NATS was lost");
      case "answer":
        break;
      default:
        return result satisfies never;
    }
    const answer = reader.value;
    if (!isFleetAnswer(answer)) throw new FleetError(EXIT.refused, `what answered ${verb} is no controller`);
    if (!answer.ok) {
      const code = Object.hasOwn(ERRORS, answer.code) ? answer.code : "unknown";
      throw new FleetError(ERRORS[code].exit, answer.reason);
    }
    return { controller: answer.controller, time: answer.time, result: answer.result as FleetAnswers[K] };
  }

  /** Events as agents and controllers publish them; whose they are is what the broker checked. */
  onEvent(now: () => number, handler: (row: EventRow) => void): FleetSubscription {
    return this.#connection.subscribe(this.#subjects.all.events(), (message) => {
      const subject = this.#subjects.parse(message.subject);
      const parsed = parse(fleetEvent, message.json());
      if (subject?.kind !== "evt" || !parsed.ok) return;
      if (parsed.value.kind === "rollout_saved") return; // what controllers tell each other
      const { epoch, seq, time, kind, watcher, pid, wid, actor, cause, data } = parsed.value;
      handler({
        ...{ host: subject.host, epoch, seq, time, stored: now(), kind, watcher, data },
        ...{ pid: pid ?? null, wid: wid ?? null, actor: actor ?? null, cause: cause ?? null },
      });
    });
  }

  /** Progress of rollouts, as controllers tell it. */
  onRollout(handler: (advice: RolloutAdvice) => void): FleetSubscription {
    return this.#connection.subscribe(this.#subjects.all.advice(), (message) => {
      const subject = this.#subjects.parse(message.subject);
      if (subject?.kind !== "adv" || subject.topic !== "rollout") return;
      const advice = message.json();
      if (typeof advice === "object" && advice !== null && "rollout" in advice) handler(advice as RolloutAdvice);
    });
  }
}
