import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandAnswer, type CommandEnvelope, makeLogger } from "@circus-cluster/proto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ANSWERS_MAX, Answers } from "./answers.ts";

const disk = vi.hoisted(() => ({ isFull: false }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const writeSync = (fd: number, data: Buffer | string, offset?: number): number => {
    if (disk.isFull) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    return fs.writeSync(fd, data as Buffer, offset);
  };
  return { ...fs, writeSync };
});

let dir: string;
let now: number;
let open: Answers[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "answers-"));
  now = 1_000_000;
  open = [];
});
afterEach(() => {
  disk.isFull = false;
  for (const answers of open) answers.close();
  rmSync(dir, { recursive: true });
});

/** Also the next life of an agent that was killed: the old object is just left. */
function start(): Answers {
  const answers = Answers.open({ stateDir: dir, clock: { wall: () => now }, log: makeLogger(() => undefined) });
  open.push(answers);
  return answers;
}
const file = (): string => readFileSync(join(dir, "answers.jsonl"), "utf8");

function envelope(id: string, properties: Record<string, unknown> = { name: "web" }): CommandEnvelope {
  return { v: 1, id, issued: now, ttl: 30_000, command: "restart", properties };
}
function answer(id: string): CommandAnswer {
  return { v: 1, id, outcome: "done", reply: { status: "ok", time: 1, info: { started: [1, 2] } } };
}

describe("Answers", () => {
  it("has a command on disk before it is begun, in a private file", () => {
    expect(start().claim(envelope("r/web1/1"))).toEqual({ kind: "new" });
    expect(file()).toContain('"id":"r/web1/1"');
    expect(statSync(join(dir, "answers.jsonl")).mode & 0o777).toBe(0o600);
  });

  it("lets a repeat join the running command, and gives it the first answer afterwards", async () => {
    const answers = start();
    answers.claim(envelope("a"));
    const joined = answers.claim(envelope("a"));
    expect(joined.kind).toBe("running");
    answers.finish(answer("a"));
    if (joined.kind === "running") expect(await joined.answer).toEqual(answer("a"));
    expect(answers.claim(envelope("a"))).toEqual({ kind: "answered", answer: answer("a") });
  });

  it("remembers answers over a crash of the agent, torn tail and all", () => {
    const answers = start();
    answers.claim(envelope("a"));
    answers.finish(answer("a"));
    appendFileSync(join(dir, "answers.jsonl"), '{"t":"accepted","id":"b","ha');
    const next = start();
    expect(next.claim(envelope("a"))).toEqual({ kind: "answered", answer: answer("a") });
    expect(next.claim(envelope("b"))).toEqual({ kind: "new" });
    expect(start().claim(envelope("b")).kind).toBe("refused");
  });

  it("does an interrupted command again only where it says what is newer than what", () => {
    const answers = start();
    answers.claim(envelope("plain"));
    answers.claim(envelope("safe", { name: "web", newer_than: 4 }));
    const next = start();
    expect(next.claim(envelope("plain"))).toMatchObject({
      kind: "refused",
      reason: expect.stringMatching(/^interrupted: /) as string,
    });
    expect(next.claim(envelope("safe", { newer_than: 4, name: "web" }))).toEqual({ kind: "new" });
    expect(next.claim(envelope("safe", { name: "web", newer_than: 4 })).kind).toBe("running");
    next.finish(answer("safe"));
    expect(start().claim(envelope("safe", { name: "web", newer_than: 4 })).kind).toBe("answered");
  });

  it("sets absolute values again after an interruption, but does not count up again", () => {
    const set = { ...envelope("set", { name: "web", options: { numprocesses: 3 } }), command: "set" };
    const incr = { ...envelope("incr", { name: "web", nb: 1 }), command: "incr" };
    const answers = start();
    for (const one of [set, incr]) answers.claim(one);
    const next = start();
    expect(next.claim(set)).toEqual({ kind: "new" });
    expect(next.claim(incr)).toMatchObject({ kind: "refused" });
  });

  it("keeps an id for one command", () => {
    const answers = start();
    answers.claim(envelope("a"));
    expect(answers.claim(envelope("a", { name: "other" }))).toMatchObject({ kind: "refused", code: "conflict" });
  });

  it("forgets what is old, and the oldest beyond its bound, but nothing that runs", () => {
    const answers = start();
    answers.claim(envelope("runs"));
    for (let i = 0; i < ANSWERS_MAX + 10; i++) {
      expect(answers.claim(envelope(`n${i}`)).kind).toBe("new");
      answers.finish(answer(`n${i}`));
    }
    expect(answers.claim(envelope("runs")).kind).toBe("running");
    expect(answers.claim(envelope(`n${ANSWERS_MAX + 9}`)).kind).toBe("answered");
    expect(answers.claim(envelope("n0")).kind).toBe("new");
    expect(file().split("\n").length).toBeLessThan(5 * ANSWERS_MAX);
    now += 25 * 3_600_000;
    const next = start();
    expect(next.claim(envelope(`n${ANSWERS_MAX + 9}`)).kind).toBe("new");
  });

  it("refuses more when its bound is all running", () => {
    const answers = start();
    for (let i = 0; i < ANSWERS_MAX; i++) answers.claim(envelope(`n${i}`));
    expect(answers.claim(envelope("one more"))).toMatchObject({ kind: "refused", code: "conflict" });
  });

  it("refuses a command that it cannot record, and goes on when it can", () => {
    const answers = start();
    disk.isFull = true;
    expect(answers.claim(envelope("a"))).toMatchObject({
      kind: "refused",
      reason: "the command cannot be recorded: no space left on device",
    });
    disk.isFull = false;
    expect(answers.claim(envelope("a"))).toEqual({ kind: "new" });
    expect(start().claim(envelope("a")).kind).toBe("refused");
  });

  it("keeps the highest fence over restarts: bucket first, then revision", () => {
    const answers = start();
    expect(answers.checkFence({ bucket: 2, revision: 7 })).toBeNull();
    expect(answers.checkFence({ bucket: 2, revision: 7 })).toBeNull();
    const next = start();
    expect(next.checkFence({ bucket: 2, revision: 6 })).toMatch(/newer leader/);
    expect(next.checkFence({ bucket: 1, revision: 99 })).toMatch(/newer leader/);
    expect(next.checkFence({ bucket: 3, revision: 1 })).toBeNull();
    expect(start().checkFence({ bucket: 2, revision: 100 })).toMatch(/newer leader/);
  });
});
