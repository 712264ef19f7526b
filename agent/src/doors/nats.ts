/**
 * The fleet's door to the command table: subjects and envelopes in, answers out.
 *
 * Invariants: (1) the actor is the subject's USER and the host the subject's HOST, never anything in a
 * payload; (2) an answer goes to `_INBOX.USER.…` of that USER or, after a broadcast, to this host's own reply
 * subject, and nowhere else: a message that asks for another place is dropped unread; (3) what is not exactly
 * an envelope changes nothing (a reflected PubAck is none); (4) a broadcast never changes anything.
 */
import {
  type Clock,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSpec,
  checkProperties,
  commandEnvelope,
  ERRORS,
  type ErrorCode,
  FOLLOW,
  findCommand,
  HEARTBEAT,
  HEARTBEAT_MS,
  type HostName,
  isInboxOf,
  issueText,
  type Logger,
  parse,
  reasonOf,
  type Subjects,
  staleness,
  type UserName,
} from "@circus-cluster/proto";
import type { FleetConnection, FleetMessage } from "@circus-cluster/proto/nats";
import type { Dispatch } from "../commands/agent-view.ts";
import type { Answers } from "../commands/answers.ts";
import type { EventBus } from "../events/api.ts";
import { Complaints } from "../fleet/complaints.ts";

/** Commands that are answered at once; more are refused. */
const OPEN_MAX = 256;
const COMPLAIN_MS = 60_000;

export interface NatsDoorOptions {
  readonly subjects: Subjects;
  readonly host: HostName;
  readonly answers: Pick<Answers, "claim" | "finish" | "checkFence">;
  readonly dispatch: Dispatch;
  /** Beat so often from now on, ms. */
  readonly pace: (intervalMs: number) => void;
  readonly bus: Pick<EventBus, "emit">;
  readonly clock: Clock;
  readonly log: Logger;
}

type Respond = (answer: CommandAnswer) => void;

/** One message as far as its subject says what it is. */
interface Request {
  readonly user: UserName;
  readonly verb: string;
  readonly isBroadcast: boolean;
  /** Null after a broadcast: there it depends on the envelope. */
  readonly inbox: string | null;
}

export class NatsDoor {
  readonly #options: NatsDoorOptions;
  readonly #complaints: Complaints;
  #open = 0;

  constructor(options: NatsDoorOptions) {
    this.#options = options;
    this.#complaints = new Complaints(COMPLAIN_MS, () => options.clock.monotonic());
  }

  /** Listens on a connection until that is closed. */
  serve(connection: Pick<FleetConnection, "publish" | "subscribe">): void {
    const { subjects, host } = this.#options;
    const take = (message: FleetMessage): void => this.#take(connection, message);
    connection.subscribe(subjects.all.commandsTo(host), take);
    connection.subscribe(subjects.all.commandsToAll(), take);
  }

  #take(connection: Pick<FleetConnection, "publish">, message: FleetMessage): void {
    const { subjects, host, clock } = this.#options;
    const request = this.#read(message);
    if (request === null) return;
    const { user, inbox, isBroadcast } = request;
    const parsed = parse(commandEnvelope, message.json());
    if (!parsed.ok) {
      this.#drop("it is no command envelope", request, issueText(parsed.issues));
      if (inbox !== null) {
        const reply = errorReply("message", `no command envelope: ${issueText(parsed.issues)}`, clock.wall());
        this.#send(connection, inbox, { v: 1, id: "", outcome: "refused", reply });
      }
      return;
    }
    const envelope = parsed.value;
    const target = inbox ?? subjects.reply(host, user, envelope.id);
    const respond: Respond = (answer) => this.#send(connection, target, answer);
    const spec = request.verb === HEARTBEAT.name ? HEARTBEAT : findCommand(request.verb);
    const refusal = this.#refusal(request, envelope, spec);
    if (refusal !== null || spec === undefined) {
      this.#refuse(refusal ?? ["command-unknown", "unknown command"], request, envelope, spec, respond);
      return;
    }
    this.#open++;
    // The broker keeps a right to answer until it was used twice, or for minutes; a follower asks all the time.
    if (spec === FOLLOW) respond({ v: 1, id: envelope.id, outcome: "accepted", reply: this.#now() });
    const work =
      spec === HEARTBEAT
        ? Promise.resolve(this.#pace(envelope))
        : isBroadcast || spec.access === "read"
          ? this.#ask(request, envelope)
          : null;
    const end = work === null ? this.#change(request, envelope, spec, respond) : work.then(respond);
    void end.finally(() => {
      this.#open--;
    });
  }

  /** Null where it is to be dropped without an answer. */
  #read(message: FleetMessage): Request | null {
    const { subjects, host } = this.#options;
    const parsed = subjects.parse(message.subject);
    if (parsed?.kind !== "cmd" || (parsed.host !== host && parsed.host !== "_all")) return null;
    const { user, verb } = parsed;
    const isBroadcast = parsed.host === "_all";
    if (isBroadcast) return { user, verb, isBroadcast, inbox: null };
    if (isInboxOf(user, message.reply)) return { user, verb, isBroadcast, inbox: message.reply };
    this.#drop("its reply subject is not the asker's inbox", { user, verb, isBroadcast, inbox: null }, "");
    return null;
  }

  /** What speaks against it, before anything is done. */
  #refusal(
    { verb, isBroadcast }: Request,
    envelope: CommandEnvelope,
    spec: CommandSpec | undefined,
  ): readonly [ErrorCode, string] | null {
    const { clock, answers } = this.#options;
    if (verb !== envelope.command) {
      return ["forbidden", `the subject asks for ${verb}, the message for ${envelope.command}`];
    }
    // In lower case only: the broker knows rights by the exact verb.
    if (spec?.name !== verb || !spec.doors.includes("nats")) return ["command-unknown", `unknown command: '${verb}'`];
    const age = staleness(envelope, clock.wall());
    if (age !== null) return ["stale", `${age}: the command was issued at ${isoTime(envelope.issued)}`];
    if (isBroadcast && (!spec.isBroadcast || spec.access === "write")) {
      return ["forbidden", `${verb} cannot go to all hosts at once`];
    }
    if (this.#open >= OPEN_MAX) return ["conflict", `${OPEN_MAX} commands are open`];
    if (spec.access === "write" && envelope.fence !== undefined) {
      const reason = answers.checkFence(envelope.fence);
      if (reason !== null) return ["stale", `fence: ${reason}`];
    }
    return null;
  }

  #pace({ id, properties }: CommandEnvelope): CommandAnswer {
    const { clock, pace } = this.#options;
    const { interval } = properties;
    const { least, most } = HEARTBEAT_MS;
    if (typeof interval !== "number" || !Number.isInteger(interval) || interval < least || interval > most) {
      const reply = errorReply("message", `'interval' isn't an integer from ${least} to ${most}`, clock.wall());
      return { v: 1, id, outcome: "refused", reply };
    }
    pace(interval);
    return { v: 1, id, outcome: "done", reply: this.#now() };
  }

  #now(): CommandAnswer["reply"] {
    return { status: "ok", time: this.#options.clock.wall() / 1000 };
  }

  async #ask({ user, verb }: Request, envelope: CommandEnvelope): Promise<CommandAnswer> {
    const { dispatch, clock, log } = this.#options;
    const { id, properties } = envelope;
    try {
      const reply = await dispatch({ command: verb, properties, actor: user, door: "nats", commandId: id });
      return { v: 1, id, outcome: reply.status === "error" ? "refused" : "done", reply };
    } catch (error) {
      log.error("a command failed in the fleet's door", { id, command: verb, reason: reasonOf(error) });
      const reply = errorReply("internal", `internal error: ${reasonOf(error)}`, clock.wall());
      return { v: 1, id, outcome: "refused", reply };
    }
  }

  async #change(request: Request, envelope: CommandEnvelope, spec: CommandSpec, respond: Respond): Promise<void> {
    const { answers } = this.#options;
    const { id } = envelope;
    const mode = waitingOf(spec, envelope);
    const claim = answers.claim(envelope);
    if (claim.kind === "refused") {
      this.#refuse([claim.code, claim.reason], request, envelope, spec, respond);
      return;
    }
    if (claim.kind === "answered") {
      respond(claim.answer);
      return;
    }
    if (mode === "waits") respond({ v: 1, id, outcome: "accepted", reply: this.#now() });
    if (claim.kind === "running") {
      respond(await claim.answer);
      return;
    }
    let answer = await this.#ask(request, envelope);
    // Begun, but nobody waits for its end: all that can be promised.
    if (mode === "does not wait" && answer.outcome === "done") answer = { ...answer, outcome: "accepted" };
    answers.finish(answer);
    respond(answer);
  }

  #refuse(
    [code, reason]: readonly [ErrorCode, string],
    { user, verb }: Request,
    { id }: CommandEnvelope,
    spec: CommandSpec | undefined,
    respond: Respond,
  ): void {
    if (spec?.access === "write") {
      const data = { command: spec.name, reason };
      this.#options.bus.emit({ kind: "command_refused", watcher: null, actor: user, cause: id, data });
    }
    if (this.#complaints.isNews(`${code} ${user} ${verb}`)) {
      this.#options.log.warning("command refused", { command: verb, actor: user, id, reason });
    }
    respond({ v: 1, id, outcome: "refused", reply: errorReply(code, reason, this.#options.clock.wall()) });
  }

  #drop(reason: string, { user, verb }: Request, detail: string): void {
    if (!this.#complaints.isNews(`${reason} ${user}`)) return;
    this.#options.log.warning("a message on a command subject was dropped", { reason, user, verb, detail });
  }

  #send(connection: Pick<FleetConnection, "publish">, target: string, answer: CommandAnswer): void {
    try {
      // Without a connection nobody waits for it any more; a repeat is answered from the journal.
      connection.publish(target, answer);
    } catch (error) {
      const reply = errorReply("failed", `the answer cannot be sent: ${reasonOf(error)}`, this.#options.clock.wall());
      try {
        connection.publish(target, { ...answer, outcome: "refused", reply });
      } catch (again) {
        this.#options.log.warning("an answer cannot be sent", { id: answer.id, reason: reasonOf(again) });
      }
    }
  }
}

/** The wire's error with our code beside Circus's number, which cannot tell `stale` from `forbidden`. */
function errorReply(code: ErrorCode, reason: string, wallMs: number): CommandAnswer["reply"] {
  return { status: "error", reason, tb: null, time: wallMs / 1000, errno: ERRORS[code].errno, code };
}

/** `always`: the command has no `waiting`, its reply says that it is done. */
function waitingOf(spec: CommandSpec, { properties }: CommandEnvelope): "waits" | "does not wait" | "always" {
  if (spec.properties["waiting"] === undefined) return "always";
  try {
    return checkProperties(spec, properties)["waiting"] === true ? "waits" : "does not wait";
  } catch {
    return "always"; // dispatch will refuse it in its own words
  }
}

function isoTime(wallMs: number): string {
  return new Date(Math.min(wallMs, 8.64e15)).toISOString();
}
