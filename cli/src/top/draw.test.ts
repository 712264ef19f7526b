import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linesOf, plainLinesOf } from "./draw.ts";
import { initialTop, type Size, type TopState, transition } from "./model.ts";
import { type Picture, pictureOf } from "./picture.ts";
import { ASCII_LEVELS, age, BLOCKS, sparkline } from "./pieces.ts";
import { keysOf } from "./screen.ts";

const around = { endpoint: "tcp://127.0.0.1:5555", everyMs: 2000, levels: ASCII_LEVELS };
const record = (pid: number, more: object = {}) => ({
  ...{ pid, cmdline: "sleep", cpu: 1.5, mem: 0.25, mem_info1: "2.50M", age: 3723, children: [{ pid: 1 }], ...more },
});
const snapshot = {
  snapshot: {
    watchers: [
      { name: "web", state: "active", numprocesses: 2, restarts: 3, processes: [{ pid: 7, health: "healthy" }] },
      { name: "bad", state: "failed", numprocesses: 1, restarts: 0, processes: [], reason: "no such\u001b[2Jfile" },
    ],
  },
};
const stats = { infos: { web: { "7": record(7), "8": "No such process (stopped?)" }, bad: {} } };
const none = { processes: new Map<number, unknown>(), sockets: [] };
const ours = pictureOf({ stats, dstats: { info: record(99) }, snapshot, status: null }, none);

const shown = (picture: Picture, size: Size, ...keys: string[]): TopState =>
  keys.reduce(
    (state, key) => transition(state, { kind: "key", key }).state,
    transition(initialTop(size), { kind: "picture", picture }).state,
  );
const texts = (state: TopState) => linesOf(state, around).map((line) => line.map(({ text }) => text).join(""));

describe("pictures", () => {
  it("of our agent have health, restarts and reasons; a process that has gone is left out", () => {
    expect(ours.watchers).toMatchObject([
      { name: "web", status: "active", numprocesses: 2, restarts: 3, processes: [{ pid: 7, health: "healthy" }] },
      { name: "bad", status: "failed", processes: [] },
    ]);
    expect(ours.watchers[0]?.processes).toHaveLength(1);
    expect(ours.agent).toMatchObject({ pid: 99, rssBytes: 2.5 * 1024 * 1024 });
  });

  it("of Circus have what there is", () => {
    const status = { statuses: { web: "active", bad: "stopped" } };
    const circus = pictureOf({ stats, dstats: { info: record(99) }, snapshot: null, status }, none);
    expect(circus.watchers).toMatchObject([
      { name: "web", status: "active", numprocesses: null, restarts: null, processes: [{ pid: 7, health: null }] },
      { name: "bad", status: "stopped" },
    ]);
  });

  it("take figures from the stream, by pid, and its sockets", () => {
    const processes = new Map<number, unknown>([[7, { pid: 7, cpu: 50, mem: 9, mem_info1: "N/A", age: 1 }]]);
    const streamed = { processes, sockets: [{ address: "127.0.0.1:80", reads: 4 }, "nonsense"] };
    const picture = pictureOf({ stats, dstats: {}, snapshot, status: null }, streamed);
    expect(picture.watchers[0]?.processes[0]).toMatchObject({ cpu: 50, mem: 9, rssBytes: null, ageS: 3723 });
    expect(picture.sockets).toEqual([{ address: "127.0.0.1:80", reads: 4 }]);
  });

  it("can be made of anything", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (a, b, c) => {
        const picture = pictureOf({ stats: { infos: a }, dstats: b, snapshot: c, status: c }, none);
        expect(linesOf(shown(picture, { rows: 10, columns: 60 }), around)).toHaveLength(10);
      }),
    );
  });
});

describe("the screen", () => {
  it("has a line for each watcher and process, with what is wrong", () => {
    const lines = texts(shown(ours, { rows: 12, columns: 110 })).map((line) => line.trimEnd());
    expect(lines[0]).toBe("circusd at tcp://127.0.0.1:5555 pid 99, up 1h02m, cpu 1.5%, 2.5M");
    expect(lines[1]).toBe("2 watchers, 1 process, every 2 s");
    expect(lines[2]).toMatch(/^WATCHER +STATUS +PROCS +>CPU% +MEM% +RSS +AGE +RESTARTS CPU$/);
    expect(lines[3]).toMatch(/^web +active +1\/2 +1\.5 +0\.25 +2\.5M +1h02m +3 \.$/);
    expect(lines[4]).toMatch(/^ {2}7 sleep \+1 +healthy +1\.5 +0\.25 +2\.5M +1h02m$/);
    expect(lines[5]).toMatch(/^bad +failed +0\/1 +- +- +- +- +0 _$/);
    expect(lines[6]).toBe("  no such?[2Jfile");
    expect(lines).toHaveLength(12);
    expect(lines[11]).toMatch(/^q quit/);
  });

  it("always fits, whatever its size and whatever is shown", () => {
    const sizes = fc.record({ rows: fc.integer({ min: 1, max: 60 }), columns: fc.integer({ min: 1, max: 200 }) });
    const keys = fc.array(fc.constantFrom(...Array.from("cmantphr/x"), "down", "up", "end", "escape", "enter"));
    fc.assert(
      fc.property(sizes, keys, (size, typed) => {
        const lines = texts(shown(ours, size, ...typed));
        expect(lines.length).toBe(size.rows);
        for (const line of lines) expect(Array.from(line).length).toBeLessThanOrEqual(size.columns);
      }),
    );
  });

  it("scrolls to the cursor", () => {
    const watchers = Array.from({ length: 50 }, (_, i) => ({ ...ours.watchers[0]!, name: `w${100 + i}` }));
    const state = shown({ ...ours, watchers }, { rows: 10, columns: 80 }, "end");
    const cursor = linesOf(state, around).filter((line) => line.some(({ style }) => style === "cursor"));
    expect(cursor.map((line) => line[0]?.text.trim())).toEqual(["w149"]);
    expect(texts(state)[2]).toMatch(/^WATCHER/);
  });

  it("a narrow one does without some columns, but not without the restarts", () => {
    const [, , title = ""] = texts(shown(ours, { rows: 10, columns: 50 }));
    expect(title).toMatch(/STATUS.*CPU%.*RESTARTS/);
    expect(title).not.toMatch(/RSS|MEM%/);
  });

  it("in plain lines has no cursor and no keys", () => {
    const lines = plainLinesOf(shown(ours, { rows: 1e6, columns: 110 }), around);
    expect(lines).toHaveLength(7);
    expect(lines.join("\n")).not.toContain("quit");
  });
});

it("a sparkline goes up to its own highest, but noise stays flat", () => {
  expect(sparkline([0, 50, 100], 10, BLOCKS)).toBe("▁▅█");
  expect(sparkline([0, 50, 100], 2, BLOCKS)).toBe("▅█");
  expect(sparkline([0, 0.5, 1], 10, BLOCKS)).toBe("▁▁▁");
  expect(sparkline([1, 2], 0, BLOCKS)).toBe("");
  expect(sparkline([0, null, 100], 10, BLOCKS)).toBe("▁ █");
});

it.each([
  [null, "-"],
  [0.4, "0s"],
  [247, "4m07s"],
  [7500, "2h05m"],
  [90_000, "1d01h"],
])("an age of %s s is %s", (seconds, text) => {
  expect(age(seconds)).toBe(text);
});

it("keys have names, and sequences that mean nothing are none", () => {
  expect(keysOf("qé\u0003\u001b[A\u001bOB\u001b[1;5C\u001b[5~\r\u007f\u001b")).toEqual([
    ...["q", "é", "interrupt", "up", "down", "enter", "backspace", "escape"],
  ]);
});
