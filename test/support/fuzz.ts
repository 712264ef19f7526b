/** Hostile messages against a real endpoint, each answered or ignored as it should be. */
import { connect } from "node:net";
import * as zmq from "zeromq";
import type { Agent } from "./agent.ts";
import { type Chance, chance } from "./chance.ts";
import { type Hostile, hostile } from "./hostile.ts";
import { waitFor } from "./wait.ts";

const WINDOW = 200;
/** The agent takes frames of 1 MiB. */
const OVERSIZED_BYTES = 1_048_577;

export interface FuzzResult {
  readonly sent: number;
  readonly answered: number;
  /** Sent, but meant to be ignored. */
  readonly ignored: number;
}

/**
 * Sends so many; every thousandth time also one that is too large, and now and then bytes that are not ZeroMQ's, each on
 * a connection of its own.
 *
 * @throws Error that names the first message that was answered wrongly, twice or not at all
 */
export async function fuzz(agent: Agent, count: number, seed: number): Promise<FuzzResult> {
  const dice = chance(seed);
  const socket = new zmq.Dealer({ linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 });
  socket.connect(agent.endpoint);
  const open = new Map<string, Hostile[]>();
  let outstanding = 0;
  let answered = 0;
  let ignored = 0;
  /** What was answered wrongly, the first. */
  const wrong: string[] = [];
  const take = (frames: readonly Buffer[]): string | null => {
    const text = String(frames.at(-1));
    const reply = JSON.parse(text) as { id: unknown; status: string; errno?: number; reason?: string };
    const waiting = open.get(JSON.stringify(reply.id)) ?? [];
    const errno = reply.status === "ok" ? 0 : reply.errno;
    const at = waiting.findIndex(({ reply: wanted }) => wanted?.errnos?.includes(errno ?? -1) ?? true);
    const shown = `${text.slice(0, 300)} to ${String(waiting[0]?.frames.map((frame) => String(frame).slice(0, 300)))}`;
    if (at < 0 || errno === undefined || errno > 6) return `unexpected reply ${shown}`;
    if (reply.reason?.startsWith("internal error") === true) return `internal error: ${shown}`;
    waiting.splice(at, 1);
    if (waiting.length === 0) open.delete(JSON.stringify(reply.id));
    outstanding--;
    return null;
  };
  const reading = (async () => {
    for await (const frames of socket) {
      answered++;
      const problem = take(frames);
      if (problem !== null) wrong.push(problem);
    }
  })();
  const settled = (left: number) =>
    waitFor(() => wrong.length > 0 || outstanding <= left, {
      what: `replies; unanswered: ${[...open.keys()].slice(0, 3).join(" ")}`,
      deadlineMs: 30_000,
      everyMs: 1,
    });
  try {
    for (let n = 0; n < count && wrong.length === 0; n++) {
      const message = hostile(dice, n);
      if (message.reply === null) ignored++;
      else {
        outstanding++;
        open.set(message.reply.id, [...(open.get(message.reply.id) ?? []), message]);
      }
      await socket.send([...message.frames]);
      if (n % 1000 === 0) await oversized(agent.endpoint);
      if (n % 500 === 0) await notZmq(agent.endpoint, dice);
      if (outstanding >= WINDOW) await settled(WINDOW / 2);
    }
    await settled(0);
    const reply = await agent.call("status");
    if (reply["status"] !== "ok") wrong.push(`afterwards status answers ${JSON.stringify(reply)}`);
  } finally {
    socket.close();
    await reading;
  }
  if (wrong[0] !== undefined) throw new Error(`seed ${seed}: ${wrong[0]}`);
  return { sent: count, answered, ignored };
}

/** The agent cuts such a connection off. */
async function oversized(endpoint: string): Promise<void> {
  const socket = new zmq.Dealer({ linger: 0 });
  const gone = new Promise<void>((resolve) => {
    socket.events.on("disconnect", () => resolve());
  });
  socket.connect(endpoint);
  await socket.send(Buffer.alloc(OVERSIZED_BYTES, 0x20));
  await gone;
  socket.close();
}

/** The begin of ZeroMQ's greeting; perhaps cut short, perhaps with anything behind it. */
const GREETING = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]);

/** Random bytes, with or without a good begin, and gone again. */
async function notZmq(endpoint: string, dice: Chance): Promise<void> {
  const { hostname: host, port } = new URL(endpoint);
  const noise = Buffer.from(Array.from({ length: dice.below(300) }, () => dice.below(256)));
  const begin = GREETING.subarray(0, dice.below(GREETING.length + 1));
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port: Number(port) }, () => {
      socket.write(Buffer.concat([begin, noise]), () => socket.destroy());
    });
    socket.on("close", () => resolve());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
  });
}
