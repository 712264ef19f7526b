/** Sends commands to agents under the controller's own name, and reads their answers. */
import { randomBytes } from "node:crypto";
import {
  type AgentReply,
  type CommandAnswer,
  type CommandEnvelope,
  commandAnswer,
  type Fence,
  type HostName,
  type HostSnapshot,
  hostSnapshot,
  type Millis,
  parse,
  type Subjects,
  TTL_DEFAULT_MS,
  type UserName,
} from "@circus-cluster/proto";
import type { FleetConnection, FleetMessage } from "@circus-cluster/proto/nats";

export interface CommanderParts {
  readonly connection: Pick<FleetConnection, "request">;
  readonly subjects: Subjects;
  readonly controller: UserName;
  /** How far the host's clock is behind ours: a command is issued in the host's time. */
  readonly clockDelayMs: (host: string) => Millis;
  /** Of this leader; null: none. */
  readonly fence: () => Fence | null;
}

export interface Command {
  readonly host: HostName;
  readonly id: string;
  readonly command: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What became of one sending. `silent`: it may or may not have arrived. */
export type Delivery =
  | { readonly kind: "answered"; readonly answer: CommandAnswer }
  | { readonly kind: "absent" }
  | { readonly kind: "silent" }
  | { readonly kind: "disconnected" };

const LOOK_MS = 5000;

export class Commander {
  readonly #parts: CommanderParts;

  constructor(parts: CommanderParts) {
    this.#parts = parts;
  }

  /** Waits for the last answer; `onAccepted` hears of an earlier one. */
  async send(command: Command, timeoutMs: Millis, onAccepted: () => void = () => undefined): Promise<Delivery> {
    const { connection, subjects, controller, clockDelayMs } = this.#parts;
    const { host, id, properties } = command;
    const fence = this.#parts.fence();
    const envelope: CommandEnvelope = {
      v: 1,
      id,
      issued: Math.max(0, Date.now() - Math.round(clockDelayMs(host))),
      ttl: TTL_DEFAULT_MS,
      command: command.command,
      properties,
      ...(fence === null ? {} : { fence }),
    };
    const subject = subjects.command(host, controller, command.command);
    const isAccepted = (message: FleetMessage): boolean => answerOf(message, id)?.outcome === "accepted";
    const result = await connection.request(subject, envelope, timeoutMs, {
      isLast: (message) => !isAccepted(message),
      onEarlier: onAccepted,
    });
    switch (result.kind) {
      case "answer": {
        const answer = answerOf(result.message, id);
        return answer === null ? { kind: "silent" } : { kind: "answered", answer };
      }
      case "no-responders":
        return { kind: "absent" };
      case "timeout":
        return { kind: "silent" };
      case "disconnected":
        return { kind: "disconnected" };
      default:
        return result satisfies never;
    }
  }

  /** A read, asked once. */
  async ask(host: HostName, command: string, properties: object, timeoutMs: Millis): Promise<AgentReply> {
    const id = `read-${randomBytes(8).toString("hex")}`;
    const delivery = await this.send({ host, id, command, properties: { ...properties } }, timeoutMs);
    switch (delivery.kind) {
      case "answered": {
        const { outcome, reply } = delivery.answer;
        if (outcome === "done") return { kind: "reply", reply };
        const { reason } = reply;
        return { kind: "refused", reason: typeof reason === "string" ? reason : "no reason given" };
      }
      case "absent":
        return { kind: "silent", reason: "no agent is connected under this name" };
      case "silent":
        return { kind: "silent", reason: "no answer" };
      case "disconnected":
        return { kind: "silent", reason: "the controller's connection to NATS was lost" };
      default:
        return delivery satisfies never;
    }
  }

  /** The host's own picture of itself; null where it does not answer. */
  async look(host: HostName): Promise<HostSnapshot | null> {
    const id = `look-${randomBytes(8).toString("hex")}`;
    const delivery = await this.send({ host, id, command: "snapshot", properties: {} }, LOOK_MS);
    if (delivery.kind !== "answered" || delivery.answer.outcome !== "done") return null;
    const parsed = parse(hostSnapshot, delivery.answer.reply["snapshot"]);
    return parsed.ok ? parsed.value : null;
  }
}

/** Null for what is no answer to this command. An envelope that the agent could not read has the empty id. */
function answerOf(message: FleetMessage, id: string): CommandAnswer | null {
  const parsed = parse(commandAnswer, message.json());
  return parsed.ok && (parsed.value.id === id || parsed.value.id === "") ? parsed.value : null;
}
