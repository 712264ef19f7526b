/**
 * The fleet's door of the controller: `F.q.USER.VERB` and `F.ctl.USER.VERB`, in a queue group, so that one of
 * several controllers answers; changes go to the leader alone. Who asks stands in the subject; an answer goes to that user's inbox or nowhere.
 */
import {
  answerMessages,
  type FleetAnswer,
  fleetRequest,
  isInboxOf,
  issueText,
  type Logger,
  parse,
  type Subjects,
} from "@circus-cluster/proto";
import type { FleetConnection, FleetMessage, FleetSubscription } from "@circus-cluster/proto/nats";
import type { AnswerResult, Answers } from "./answers.ts";
import { askSafely } from "./asking.ts";

const QUEUE = "controllers";

export interface NatsDoorParts {
  readonly connection: Pick<FleetConnection, "subscribe" | "publish">;
  readonly subjects: Subjects;
  readonly controller: string;
  readonly answers: Pick<Answers, "answer">;
  readonly log: Logger;
}

export class NatsDoor implements Disposable {
  readonly #parts: NatsDoorParts;
  readonly #queries: FleetSubscription;
  #controls: FleetSubscription | null = null;

  constructor(parts: NatsDoorParts) {
    this.#parts = parts;
    this.#queries = this.#subscribe(parts.subjects.all.queries());
  }

  /** Takes changes, or leaves them to another. */
  lead(isLeading: boolean): void {
    if (isLeading) this.#controls ??= this.#subscribe(this.#parts.subjects.all.controls());
    else {
      this.#controls?.close();
      this.#controls = null;
    }
  }

  [Symbol.dispose](): void {
    this.#queries.close();
    this.lead(false);
  }

  #subscribe(subject: string): FleetSubscription {
    return this.#parts.connection.subscribe(subject, (message) => this.#take(message), { queue: QUEUE });
  }

  #take(message: FleetMessage): void {
    const { subjects, answers, log } = this.#parts;
    const parsed = subjects.parse(message.subject);
    if (parsed?.kind !== "q" && parsed?.kind !== "ctl") return;
    const { kind: door, user, verb } = parsed;
    // Else a viewer could aim our answer, with our rights, at a command subject (design §4).
    if (!isInboxOf(user, message.reply)) {
      log.warning("a question was dropped: its answer would not go to the asker", { user, verb });
      return;
    }
    const request = parse(fleetRequest, message.json());
    if (!request.ok) {
      const reason = `not a request: ${issueText(request.issues)}`;
      this.#send(message.reply, "", { ok: false, code: "message", reason });
      return;
    }
    const { id, properties } = request.value;
    this.#send(message.reply, id, askSafely(answers, log, { door, verb, properties, actor: user }));
  }

  #send(reply: string, id: string, result: AnswerResult): void {
    const { connection, controller, log } = this.#parts;
    const answer: FleetAnswer = { v: 1, id, controller, time: Date.now(), ...result };
    const messages = answerMessages(answer);
    if (messages === null) {
      const reason = "the answer is too large to be sent; ask for fewer hosts or rows";
      this.#send(reply, id, { ok: false, code: "failed", reason });
      return;
    }
    try {
      for (const message of messages) connection.publish(reply, message);
    } catch (error) {
      log.warning("an answer cannot be sent", { err: error });
    }
  }
}
