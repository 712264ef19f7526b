/**
 * Commands straight to agents, and their answers host by host. A question to controllers is {@link FleetClient}'s matter.
 */
import {
  type AgentReply,
  type CircusReply,
  COMMANDS,
  type CommandAnswer,
  type CommandEnvelope,
  commandAnswer,
  formatDuration,
  type HostName,
  type HostOutcome,
  parse,
  type Subjects,
  TTL_DEFAULT_MS,
  type UserName,
} from "@circus-cluster/proto";
import type { AskManyResult, FleetConnection, FleetMessage, RequestResult } from "@circus-cluster/proto/nats";
import { newId } from "./id.ts";

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

/** A host as a controller knows it. */
interface KnownHost {
  readonly host: string;
  readonly presence: string;
}

interface AgentsParts {
  readonly connection: FleetConnection;
  readonly subjects: Subjects;
  readonly user: UserName;
  readonly timeoutMs: number;
  /** Rejects when the broker refuses something: no answer will come then. */
  readonly refusal: Promise<never>;
}

const NO_AGENT = "no agent is connected under this name";
const QUIET_MS = 300;

export class Agents {
  readonly #connection: FleetConnection;
  readonly #subjects: Subjects;
  readonly #user: UserName;
  readonly #timeoutMs: number;
  readonly #refusal: Promise<never>;

  constructor({ connection, subjects, user, timeoutMs, refusal }: AgentsParts) {
    this.#connection = connection;
    this.#subjects = subjects;
    this.#user = user;
    this.#timeoutMs = timeoutMs;
    this.#refusal = refusal;
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
    const subject = this.#subjects.command(host, this.#user, command);
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
    const subject = this.#subjects.command(host, this.#user, envelope.command);
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
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), ms);
    });
    try {
      return await Promise.race([...promises, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * All hosts that a controller knows, by one broadcast, which goes out while the controller is still asked who they
   * are. One that is not online, or does not answer it, is asked alone, with the same id.
   *
   * @param asked what the controller is asked; where it fails, so does this
   * @returns an outcome for each host that has not left, in their order
   */
  async askAll(
    asked: Promise<readonly KnownHost[]>,
    command: string,
    properties: object,
    now: number,
    options: DirectOptions,
  ): Promise<readonly HostOutcome[]> {
    const envelope = this.#envelope(command, properties, now);
    const known = asked.then((hosts) => hosts.filter(({ presence }) => presence !== "left"));
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
      publishes: [{ subject: this.#subjects.commandAll(this.#user, envelope.command), payload: envelope }],
      replySubject: this.#subjects.all.repliesTo(this.#user, envelope.id),
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
