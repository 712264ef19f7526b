/** What a process says on its NOTIFY_SOCKET: the protocol of sd_notify(3). Pure. */
import { oneLine } from "../config/text.ts";

export interface Message {
  readonly isReady: boolean;
  /** `ping`: it lives; `trigger`: it says itself that it does not. */
  readonly watchdog: "ping" | "trigger" | null;
  /** For people; null: it said nothing of it. */
  readonly status: string | null;
}

const STATUS_MAX = 256;

/** Lines `KEY=VALUE`; what we do not know is ignored, as the protocol wants. */
export function parseMessage(text: string): Message {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  const watchdog = fields.get("WATCHDOG");
  const status = fields.get("STATUS");
  return {
    isReady: fields.get("READY") === "1",
    watchdog: watchdog === "1" ? "ping" : watchdog === "trigger" ? "trigger" : null,
    status: status === undefined ? null : oneLine(status, STATUS_MAX),
  };
}
