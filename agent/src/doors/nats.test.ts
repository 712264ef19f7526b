import {
  type CircusReply,
  type CommandAnswer,
  type EventDraft,
  type HostName,
  makeLogger,
  Subjects,
} from "@circus-cluster/proto";
import type { FleetMessage } from "@circus-cluster/proto/nats";
import { beforeEach, describe, expect, it } from "vitest";
import type { CommandRequest } from "../commands/agent-view.ts";
import type { Claim } from "../commands/answers.ts";
import { NatsDoor } from "./nats.ts";

const subjects = new Subjects("main");
const NOW = 1_000_000_000;

interface Running {
  readonly request: CommandRequest;
  readonly resolve: (reply: CircusReply) => void;
  readonly reject: (error: Error) => void;
}

let sent: { subject: string; answer: CommandAnswer }[];
let running: Running[];
let emitted: EventDraft[];
let lines: string[];
let claims: Map<string, Claim>;
let finished: CommandAnswer[];
let tooLong: number;
let paces: number[];
let handler: (message: FleetMessage) => void;

beforeEach(() => {
  [sent, running, emitted, lines, finished] = [[], [], [], [], []];
  claims = new Map();
  paces = [];
  tooLong = Number.POSITIVE_INFINITY;
  const door = new NatsDoor({
    subjects,
    host: "web1" as HostName,
    clock: { wall: () => NOW, monotonic: () => 0 },
    log: makeLogger((_level, text) => lines.push(text)),
    bus: { emit: (draft) => emitted.push(draft) },
    answers: {
      claim: ({ id }) => claims.get(id) ?? { kind: "new" },
      finish: (answer) => finished.push(answer),
      checkFence: () => null,
    },
    pace: (intervalMs) => paces.push(intervalMs),
    dispatch: (request) => new Promise((resolve, reject) => running.push({ request, resolve, reject })),
  });
  const handlers: ((message: FleetMessage) => void)[] = [];
  door.serve({
    subscribe: (_subject, take) => {
      handlers.push(take);
      return { close: () => undefined };
    },
    publish: (subject, payload) => {
      const answer = payload as CommandAnswer;
      if (JSON.stringify(answer).length > tooLong) throw new RangeError("above the limit");
      sent.push({ subject, answer });
      return true;
    },
  });
  handler = handlers[0]!;
});

function send(command: string, properties: Record<string, unknown> = {}, id = "id1", more: object = {}): void {
  const json = (): unknown => ({ v: 1, id, issued: NOW, ttl: 30_000, command, properties, ...more });
  const subject = `circus.main.cmd.web1.alice.${command}`;
  handler({ subject, reply: "_INBOX.alice.x", data: new Uint8Array(), json });
}
/** Lets the promises of the door run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ok: CircusReply = { status: "ok", time: 1 };
const outcomes = (): string[] => sent.map(({ answer }) => answer.outcome);

describe("NatsDoor", () => {
  it("hands a command on with the subject's user as its actor, and answers into his inbox", async () => {
    send("status", { name: "web" });
    expect(running[0]?.request).toEqual({
      command: "status",
      properties: { name: "web" },
      actor: "alice",
      door: "nats",
      commandId: "id1",
    });
    running[0]?.resolve(ok);
    await turn();
    expect(sent).toEqual([{ subject: "_INBOX.alice.x", answer: { v: 1, id: "id1", outcome: "done", reply: ok } }]);
    expect(finished).toEqual([]); // a question is not kept
  });

  it("says accepted at once to who waits and done at the end; accepted only, to who does not", async () => {
    send("restart", { waiting: "true" });
    expect(outcomes()).toEqual(["accepted"]);
    running[0]?.resolve(ok);
    await turn();
    expect(outcomes()).toEqual(["accepted", "done"]);
    send("restart", {}, "id2");
    running[1]?.resolve(ok);
    await turn();
    expect(outcomes()).toEqual(["accepted", "done", "accepted"]);
    send("signal", { name: "web", signum: 1 }, "id3");
    running[2]?.resolve(ok);
    await turn();
    expect(outcomes().at(-1)).toBe("done"); // it has no waiting: the reply says that it is done
    expect(finished.map(({ id }) => id)).toEqual(["id1", "id2", "id3"]);
  });

  it("takes a new time between two heartbeats, within bounds, and asks nobody about it", async () => {
    send("heartbeat", { interval: 10_000 });
    for (const interval of [999, 60_001, 5000.5, "5000", null]) send("heartbeat", { interval });
    await turn();
    expect(paces).toEqual([10_000]);
    expect(outcomes()).toEqual(["done", ...Array.from({ length: 5 }, () => "refused")]);
    expect([running, emitted, finished]).toEqual([[], [], []]);
  });

  it("turns an error reply into refused", async () => {
    send("restart", { waiting: true });
    running[0]?.resolve({ status: "error", reason: "program web not found", time: 1, errno: 3 });
    await turn();
    expect(outcomes()).toEqual(["accepted", "refused"]);
  });

  it("lets a repeat wait for the running command, and gives the known answer to a later one", async () => {
    const answer: CommandAnswer = { v: 1, id: "id1", outcome: "done", reply: ok };
    claims.set("id1", { kind: "running", answer: Promise.resolve(answer) });
    send("restart", { waiting: true });
    await turn();
    claims.set("id1", { kind: "answered", answer });
    send("restart", { waiting: true });
    await turn();
    expect(outcomes()).toEqual(["accepted", "done", "done"]);
    expect(running).toEqual([]);
  });

  it("records a change that it refuses itself, with who asked", () => {
    claims.set("id1", { kind: "refused", code: "failed", reason: "interrupted: no one knows" });
    send("restart", {});
    expect(sent[0]?.answer).toMatchObject({ outcome: "refused", reply: { reason: "interrupted: no one knows" } });
    expect(emitted).toEqual([
      {
        kind: "command_refused",
        watcher: null,
        actor: "alice",
        cause: "id1",
        data: { command: "restart", reason: "interrupted: no one knows" },
      },
    ]);
    send("status", {}, "id2", { issued: 0 });
    expect(emitted).toHaveLength(1);
  });

  it("answers also where the handler throws, and finishes the command", async () => {
    send("restart", { waiting: true });
    running[0]?.reject(new Error("a bug"));
    await turn();
    expect(sent.at(-1)?.answer).toMatchObject({ outcome: "refused", reply: { reason: "internal error: a bug" } });
    expect(finished).toHaveLength(1);
    send("status", {}, "id2");
    running[1]?.reject(new Error("a bug"));
    await turn();
    expect(sent.at(-1)?.answer).toMatchObject({ id: "id2", outcome: "refused" });
    expect(lines).toEqual(["a command failed in the fleet's door", "a command failed in the fleet's door"]);
  });

  it("says so where an answer is too long for a message", async () => {
    tooLong = 300;
    send("status");
    running[0]?.resolve({ ...ok, statuses: "x".repeat(1000) });
    await turn();
    expect(sent[0]?.answer).toMatchObject({
      outcome: "refused",
      reply: { reason: "the answer cannot be sent: above the limit" },
    });
  });

  it("bounds what is open at once, and has room again when something ends", async () => {
    for (let i = 0; i < 256; i++) send("status", {}, `n${i}`);
    expect(running).toHaveLength(256);
    send("status", {}, "one-more");
    expect(sent).toMatchObject([{ answer: { id: "one-more", outcome: "refused", reply: { code: "conflict" } } }]);
    running[0]?.resolve(ok);
    await turn();
    send("status", {}, "now");
    expect(running).toHaveLength(257);
  });

  it("ignores what is meant for another host", () => {
    const message = { reply: "_INBOX.alice.x", data: new Uint8Array(), json: () => ({}) };
    handler({ ...message, subject: "circus.main.cmd.web2.alice.status" });
    handler({ ...message, subject: "circus.main.hb.web1" });
    expect([sent, running]).toEqual([[], []]);
  });
});
