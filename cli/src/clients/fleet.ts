/**
 * The fleet as a person asks it: questions to the controllers, commands straight to agents. Every failure
 * is a {@link FleetError} with the exit code that it ends in.
 */
import { randomBytes } from "node:crypto";
import {
  type AgentReply,
  AnswerReader,
  type CircusReply,
  COMMANDS,
  type CommandAnswer,
  type CommandEnvelope,
  commandAnswer,
  ERRORS,
  type EventRow,
  EXIT,
  type FleetAnswer,
  type FleetAnswers,
  type FleetRequest,
  fleetEvent,
  formatDuration,
  type HostName,
  type HostOutcome,
  parse,
  parseUserName,
  type RolloutAdvice,
  reasonOf,
  Subjects,
  TTL_DEFAULT_MS,
  type UserName,
} from "@circus-cluster/proto";
import {
  type AskManyResult,
  connectFleet,
  FleetConnectError,
  type FleetConnection,
  type FleetMessage,
  type FleetStatus,
  type FleetSubscription,
  type RequestResult,
  readCredentials,
} from "@circus-cluster/proto/nats";
import { FleetError } from "../fleet/error.ts";
import type { Settings } from "../settings.ts";
import { askAgain } from "./ask-again.ts";

export interface Answered<T> {
  readonly controller: string;
  /** Wall ms of the controller. */
  readonly time: number;
  readonly result: T;
}

export interface DirectOptions {
  /** Until an agent says anything; after that it is asked once more. */
  readonly firstMs: number;
  /** Until the end of what was accepted. */
  readonly resultMs: number;
  /** As each host is settled. */
  readonly onOutcome?: (outcome: HostOutcome) => void;
}

export interface BroadcastAnswer {
  readonly host: string;
  readonly answer: CommandAnswer;
}

const NO_AGENT = "no agent is connected under this name";
const CONNECT_MS = 1500;
const QUIET_MS = 300;
/** Another controller leads within this after the leader was lost (design §5). */
const ELECTION_MS = 12_000;
const ELECTION_POLL_MS = 500;

/** How the fleet is reached, and for how long an answer is waited for. */
type FleetSettings = Pick<Settings, "nats" | "creds" | "tls" | "timeoutMs">;

class NoController extends FleetError {}
class Silence extends FleetError {}

function newId(): string {
  return `ctl-${randomBytes(9).toString("hex")}`;
}

/** Shape only: what stands in `result` is the controller's word. */
function isFleetAnswer(value: unknown): value is FleetAnswer {
  if (typeof value !== "object" || value === null || !("ok" in value)) return false;
  return value.ok === true ? "result" in value : "reason" in value && typeof value.reason === "string";
}

function delay(ms: number): { readonly done: Promise<null>; readonly cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const done = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return { done, cancel: () => clearTimeout(timer) };
}

export class FleetClient {
  readonly user: UserName;
  readonly role: string;
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
        await delay(ELECTION_POLL_MS).done;
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

  #envelope(command: string, properties: object, now: number): CommandEnvelope {
    const isWaited = COMMANDS.get(command)?.properties["waiting"] !== undefined;
    const given = { ...properties, ...(isWaited ? { waiting: true } : {}) };
    return { v: 1, id: newId(), issued: now, ttl: TTL_DEFAULT_MS, command, properties: given };
  }

  /**
   * One command, straight to each of these agents; the same id on all, so that a repeat cannot do it twice.
   *
   * @returns an outcome for each host, in their order.
   */
  async direct(
    hosts: readonly HostName[],
    command: string,
    properties: object,
    now: number,
    options: DirectOptions,
  ): Promise<{ readonly id: string; readonly outcomes: readonly HostOutcome[] }> {
    const envelope = this.#envelope(command, properties, now);
    const one = async (host: HostName): Promise<HostOutcome> => {
      const outcome = await this.#tell(host, envelope, options);
      options.onOutcome?.(outcome);
      return outcome;
    };
    const outcomes = await Promise.race([Promise.all(hosts.map(one)), this.#refusal]);
    return { id: envelope.id, outcomes };
  }

  /** One question to one agent, asked once. @throws FleetError where the broker refuses it */
  async ask(host: HostName, command: string, properties: object, now: number, timeoutMs: number): Promise<AgentReply> {
    const subject = this.#subjects.command(host, this.user, command);
    const isLast = (message: FleetMessage): boolean => answerOf(message)?.outcome !== "accepted";
    const asked = this.#connection.request(subject, this.#envelope(command, properties, now), timeoutMs, { isLast });
    const result = await Promise.race([asked, this.#refusal]);
    switch (result.kind) {
      case "no-responders":
        return { kind: "silent", reason: NO_AGENT };
      case "timeout":
        return { kind: "silent", reason: `no answer within ${formatDuration(timeoutMs)}` };
      case "disconnected":
        return { kind: "silent", reason: "the connection to NATS was lost" };
      case "answer": {
        const answer = answerOf(result.message);
        if (answer === null) return { kind: "refused", reason: "what answered is no agent" };
        const reason = refusalOf(answer.reply);
        return reason === null ? { kind: "reply", reply: answer.reply } : { kind: "refused", reason };
      }
      default:
        return result satisfies never;
    }
  }

  async #tell(host: HostName, envelope: CommandEnvelope, { firstMs, resultMs }: DirectOptions): Promise<HostOutcome> {
    const subject = this.#subjects.command(host, this.user, envelope.command);
    const outcome = (word: HostOutcome["outcome"], reason: string | null): HostOutcome => ({
      host,
      outcome: word,
      reply: null,
      reason,
    });
    let hear: (value: "accepted") => void = () => undefined;
    const accepted = new Promise<"accepted">((resolve) => {
      hear = resolve;
    });
    const send = (): ReturnType<FleetConnection["request"]> =>
      this.#connection.request(subject, envelope, firstMs * 2 + resultMs, {
        isLast: (message) => answerOf(message)?.outcome !== "accepted",
        onEarlier: () => hear("accepted"),
      });
    const results = [send()];
    let first = await this.#first<RequestResult | "accepted">([...results, accepted], firstMs);
    if (first === null) {
      // The same id: an agent that heard it already joins the two (design §4).
      results.push(send());
      first = await this.#first<RequestResult | "accepted">([...results, accepted], firstMs);
    }
    if (first === null) {
      // An agent that stood still (SIGSTOP, a paused machine) reads what waited for it, while its time has not run out.
      const late = COMMANDS.get(envelope.command)?.access === "write" ? "; if it only sleeps it may do it later" : "";
      return outcome("not delivered", `no answer within ${formatDuration(firstMs * 2)}, asked twice${late}`);
    }
    const result = first === "accepted" ? await this.#first(results, resultMs) : first;
    if (result === null || result.kind === "timeout") {
      return outcome("accepted", `no result within ${formatDuration(resultMs)}`);
    }
    if (result.kind === "disconnected") {
      return outcome(first === "accepted" ? "accepted" : "not delivered", "the connection to NATS was lost");
    }
    if (result.kind === "no-responders") return outcome("not delivered", NO_AGENT);
    const answer = answerOf(result.message);
    if (answer === null) return outcome("not delivered", "what answered is no agent");
    return { host, outcome: answer.outcome, reply: answer.reply, reason: refusalOf(answer.reply) };
  }

  async #first<T>(promises: readonly Promise<T>[], ms: number): Promise<T | null> {
    const { done, cancel } = delay(ms);
    try {
      return await Promise.race([...promises, done]);
    } finally {
      cancel();
    }
  }

  /**
   * All hosts that a controller knows, by one broadcast, which goes out while the controller is still asked who they
   * are. One that is not online, or does not answer it, is asked alone, with the same id.
   *
   * @param options.watcher only of the hosts that have it; null: of all
   * @returns an outcome for each host that has not left, in their order
   * @throws FleetError where no controller says who there is, or none has the watcher
   */
  async askAll(
    command: string,
    properties: object,
    now: number,
    options: DirectOptions & { readonly watcher: string | null },
  ): Promise<readonly HostOutcome[]> {
    const envelope = this.#envelope(command, properties, now);
    const { watcher } = options;
    const asked =
      watcher === null ? this.query("hosts", { hosts: null }) : this.query("status", { hosts: null, watcher });
    const known = asked.then(({ result }) =>
      result.hosts.map(({ host, presence }) => ({ host, presence })).filter(({ presence }) => presence !== "left"),
    );
    const online = known.then((hosts) => hosts.filter(({ presence }) => presence === "online").map(({ host }) => host));
    const heard = this.#collect(
      envelope,
      online.then((names) => new Set(names)),
    );
    heard.catch(() => undefined); // what fails it fails us first
    const hosts = await Promise.race([known, this.#refusal]);
    const { answers } = await heard;
    const one = async (host: HostName): Promise<HostOutcome> => {
      const message = answers.get(host);
      const answer = message === undefined ? null : answerOf(message);
      if (answer === null) return await this.#tell(host, envelope, options);
      return { host, outcome: answer.outcome, reply: answer.reply, reason: refusalOf(answer.reply) };
    };
    return await Promise.race([Promise.all(hosts.map(({ host }) => one(host as HostName))), this.#refusal]);
  }

  #collect(
    envelope: CommandEnvelope,
    expected: ReadonlySet<string> | Promise<ReadonlySet<string>>,
  ): Promise<AskManyResult> {
    const asked = this.#connection.askMany({
      publishes: [{ subject: this.#subjects.commandAll(this.user, envelope.command), payload: envelope }],
      replySubject: this.#subjects.all.repliesTo(this.user, envelope.id),
      keyOf: (subject) => {
        const parsed = this.#subjects.parse(subject);
        return parsed?.kind === "rpl" ? parsed.host : null;
      },
      expected,
      timeoutMs: this.#timeoutMs,
      quietMs: QUIET_MS,
    });
    return Promise.race([asked, this.#refusal]);
  }

  /** Whoever is there, for when no controller knows who should be; ends when nothing more comes for a while. */
  async broadcast(command: string, properties: object, now: number): Promise<readonly BroadcastAnswer[]> {
    // Nobody is expected: it ends by quiet or timeout.
    const { answers } = await this.#collect(this.#envelope(command, properties, now), new Set([""]));
    const found: BroadcastAnswer[] = [];
    for (const [host, message] of answers) {
      const answer = answerOf(message);
      if (answer !== null) found.push({ host, answer });
    }
    return found.sort((a, b) => (a.host < b.host ? -1 : 1));
  }
}

function answerOf(message: FleetMessage): CommandAnswer | null {
  const parsed = parse(commandAnswer, message.json());
  return parsed.ok ? parsed.value : null;
}

function refusalOf(reply: CircusReply): string | null {
  if (reply.status !== "error") return null;
  const { reason } = reply;
  return typeof reason === "string" ? reason : "no reason given";
}
