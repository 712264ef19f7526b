/** What goes out: one document for any number of notices of a rule. Pure. */
import type { Notice } from "./core.ts";

export interface Message {
  readonly v: 1;
  /** The same for each attempt: whoever takes it can leave out what it has. */
  readonly id: string;
  readonly fleet: string;
  readonly controller: string;
  readonly rule: string;
  /** All of it for people: a chat's webhook shows this field. */
  readonly text: string;
  readonly notices: readonly {
    readonly id: string;
    readonly condition: string;
    readonly state: Notice["state"] | "test";
    readonly host: string | null;
    readonly watcher: string | null;
    /** ISO 8601, UTC. */
    readonly time: string;
    readonly text: string;
  }[];
}

export interface Sender {
  readonly fleet: string;
  readonly controller: string;
  readonly rule: string;
}

/** Lines of `text`; the list holds all. */
const LINES_MAX = 20;

/** @param notices one at least */
export function messageOf(sender: Sender, notices: readonly Notice[]): Message {
  const lines = notices.map(({ text }) => text);
  const rest = lines.length - LINES_MAX;
  const shown = rest > 0 ? [...lines.slice(0, LINES_MAX), `and ${rest} more`] : lines;
  return {
    v: 1,
    id: notices[0]?.id ?? "",
    ...sender,
    text: shown.map((line) => `[${sender.fleet}] ${line}`).join("\n"),
    notices: notices.map(({ due: _, time, ...notice }) => ({ ...notice, time: isoOf(time) })),
  };
}

/** @param wallMs now */
export function testMessage(sender: Sender, wallMs: number): Message {
  const text = `a test of the rule '${sender.rule}'`;
  const notice = { condition: "test", state: "test", host: null, watcher: null, time: isoOf(wallMs), text } as const;
  const id = `${sender.rule}.test.${wallMs}`;
  return { v: 1, id, ...sender, text: `[${sender.fleet}] ${text}`, notices: [{ id, ...notice }] };
}

function isoOf(wallMs: number): string {
  // eslint-disable-next-line no-restricted-globals -- formats a number, reads no clock
  return new Date(wallMs).toISOString();
}
