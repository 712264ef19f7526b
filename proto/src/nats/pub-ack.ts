/** Reads a stream's answers. Without the package `nats`, so that an agent without a fleet never loads it. */
import type { FleetMessage, PubAck } from "./types.ts";

/** What the stream said to a published message; anything that is no plain acknowledgement is a refusal. */
export function parsePubAck(message: Pick<FleetMessage, "json">): PubAck {
  const value = message.json();
  if (typeof value !== "object" || value === null) return { kind: "refused", reason: "no stream takes it" };
  const ack = value as Readonly<Record<string, unknown>>;
  if (ack["error"] === undefined && typeof ack["stream"] === "string" && typeof ack["seq"] === "number") {
    return { kind: "stored", stream: ack["stream"], seq: ack["seq"], isDuplicate: ack["duplicate"] === true };
  }
  const error = ack["error"] as { description?: unknown } | undefined;
  return {
    kind: "refused",
    reason: typeof error?.description === "string" ? error.description : "not an acknowledgement",
  };
}
