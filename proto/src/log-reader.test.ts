import { describe, expect, it } from "vitest";
import type { LogLine } from "./commands/logs.ts";
import { type AgentReply, type LogNews, type LogWanted, mergeLines, readLog } from "./log-reader.ts";

const line = (text: string, time: number | null = null): LogLine => ({ stream: "stdout", pid: 7, time, line: text });
const page = (lines: readonly LogLine[], before: string | null = null): AgentReply => ({
  kind: "reply",
  reply: { source: "file", lines, before, timed: true },
});
const EMPTY: AgentReply = { kind: "reply", reply: { source: "none", lines: [], before: null, timed: false } };
const opened = (lease: string, seamless = true): AgentReply => ({
  kind: "reply",
  reply: { lease, sources: { stdout: "file", stderr: "none" }, before: { stdout: "5.10", stderr: null }, seamless },
});
const batch = (lease: string | null, number: number, lines: readonly LogLine[], left_out = 0): AgentReply => ({
  kind: "reply",
  reply: { lease, number, lines, left_out },
});
const SILENT: AgentReply = { kind: "silent", reason: "no answer" };

/** What comes of these answers, and what was asked for them; over when they run out. */
async function read(wanted: Partial<LogWanted>, answers: readonly AgentReply[]) {
  const asked: string[] = [];
  const left = [...answers];
  const news: LogNews[] = [];
  let pauses = 0;
  const agent = {
    ask: (command: string, properties: object) => {
      asked.push(`${command} ${JSON.stringify(properties)}`);
      return Promise.resolve(left.shift() ?? SILENT);
    },
    pause: () => {
      pauses++;
      return Promise.resolve();
    },
    get isOver() {
      return left.length === 0;
    },
  };
  for await (const one of readLog({ watcher: "w", lines: 3, since: null, isFollowed: false, ...wanted }, agent)) {
    news.push(one);
  }
  return { news, asked, pauses };
}

const kinds = (news: readonly LogNews[]): string[] => news.map(({ kind }) => kind);

describe("the past", () => {
  it("is read page by page from its end, of both streams, in the order of time", async () => {
    const stderr = page([line("e", 25)]);
    const { news, asked } = await read({}, [
      page([line("b", 20), line("c", 30)], "5.4"),
      page([line("a", 10)], "5.2"),
      stderr,
    ]);
    expect(news).toMatchObject([{ kind: "past", isCut: false, untimed: [] }]);
    expect(news[0]?.kind === "past" && news[0].lines.map((one) => one.line)).toEqual(["a", "b", "e", "c"]);
    expect(asked).toEqual([
      'logs {"name":"w","stream":"stdout","lines":3}',
      'logs {"name":"w","stream":"stdout","lines":1,"before":"5.4"}',
      'logs {"name":"w","stream":"stderr","lines":3}',
    ]);
  });

  it("says which streams have no time where one was asked for, and what the agent says no to", async () => {
    const untimed = { kind: "reply", reply: { source: "file", lines: [], before: null, timed: false } } as const;
    expect((await read({ since: 5 }, [untimed, EMPTY])).news).toMatchObject([{ untimed: ["stdout"] }]);
    expect(kinds((await read({}, [{ kind: "refused", reason: "program w not found" }])).news)).toEqual(["refused"]);
    expect(kinds((await read({}, [SILENT])).news)).toEqual(["trouble"]);
  });

  it("is not shown where no line of it is wanted, but where lines come from is", async () => {
    const { news } = await read({ lines: 0 }, [page([line("x")], "5.2"), EMPTY]);
    expect(news).toMatchObject([{ kind: "past", lines: [], sources: { stdout: "file", stderr: "none" } }]);
  });
});

describe("following", () => {
  it("begins with a lease, reads what was before it, and confirms what has come", async () => {
    const { news, asked } = await read({ isFollowed: true }, [
      ...[opened("L"), page([line("a")]), EMPTY],
      ...[batch("L", 1, [line("b")]), batch("L", 1, []), batch("L", 2, [line("c")], 4)],
    ]);
    expect(kinds(news)).toEqual(["past", "lines", "missed", "lines"]);
    expect(asked.filter((one) => one.startsWith("follow"))).toEqual([
      'follow {"name":"w"}',
      'follow {"name":"w","lease":"L","taken":0,"wait":10000}',
      'follow {"name":"w","lease":"L","taken":1,"wait":10000}',
      'follow {"name":"w","lease":"L","taken":1,"wait":10000}',
    ]);
    expect(asked[1]).toContain('"before":"5.10"');
  });

  it("asks again for the same lines where there was no answer, and tells of it once", async () => {
    const { news, asked, pauses } = await read({ isFollowed: true }, [
      ...[opened("L"), EMPTY, EMPTY, SILENT, SILENT, batch("L", 1, [line("b")])],
    ]);
    expect(kinds(news)).toEqual(["past", "trouble", "back", "lines"]);
    expect(new Set(asked.slice(3)).size).toBe(1);
    expect(pauses).toBe(2);
  });

  it("begins anew where the lease has ended, and says that lines may be missing", async () => {
    const { news } = await read({ isFollowed: true }, [
      ...[opened("L"), EMPTY, EMPTY, batch(null, 0, []), opened("M"), batch("M", 1, [line("c")])],
    ]);
    expect(kinds(news)).toEqual(["past", "missed", "lines"]);
    expect(news[1]).toEqual({ kind: "missed", lines: null });
  });

  it("says so where the past and what follows may not meet, and ends where the watcher is gone", async () => {
    const { news } = await read({ isFollowed: true }, [
      ...[opened("L", false), EMPTY, EMPTY, { kind: "refused", reason: "program w not found" } as const, SILENT],
    ]);
    expect(kinds(news)).toEqual(["past", "missed", "refused"]);
  });
});

it("keeps a line without time behind its predecessor", () => {
  const merged = mergeLines([
    [line("a", 10), line("a2"), line("c", 30)],
    [line("0"), line("b", 20)],
  ]);
  expect(merged.map((one) => one.line)).toEqual(["0", "a", "a2", "b", "c"]);
});
