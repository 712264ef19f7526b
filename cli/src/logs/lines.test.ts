import { describe, expect, it } from "vitest";
import { logJson, logText, missedNote, ofHosts, sourceNote } from "./lines.ts";

const PLAIN = { hosts: [], hasTimes: false, isTerminal: false, hasColour: false };
const line = { stream: "stdout", pid: 4711, time: 0, line: "hello" } as const;

describe("logText", () => {
  it("has the host where there are several, and the pid where it is known", () => {
    expect(logText(null, line, PLAIN)).toBe("4711 | hello");
    expect(logText(null, { ...line, pid: null }, PLAIN)).toBe("hello");
    const hosts = ["web1", "web10"];
    expect(logText("web1", line, { ...PLAIN, hosts })).toBe("web1  4711 | hello");
    expect(logText("web10", { ...line, pid: null }, { ...PLAIN, hosts })).toBe("web10 | hello");
    expect(logText(null, line, { ...PLAIN, hasTimes: true })).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 4711 \| hello$/);
  });

  it("gives each host a colour of its own on a terminal, and stderr a red bar", () => {
    const style = { ...PLAIN, hosts: ["a", "b"], isTerminal: true, hasColour: true };
    expect(logText("a", line, style)).toBe("\u001b[36ma\u001b[0m \u001b[36m4711\u001b[0m \u001b[2m|\u001b[0m hello");
    expect(logText("b", { ...line, stream: "stderr" }, style)).toContain("\u001b[33mb\u001b[0m");
    expect(logText("b", { ...line, stream: "stderr" }, style)).toContain("\u001b[31m|");
  });

  it("lets a worker's colours through to a terminal, and nothing else that drives it", () => {
    const wild = { ...line, line: "\u001b[1mbold\u001b[0m\tx\u001b]0;title\u0007\u001b[2J" };
    const style = { ...PLAIN, isTerminal: true };
    expect(logText(null, wild, style)).toBe("4711 | bold\tx?]0;title??[2J");
    expect(logText(null, wild, { ...style, hasColour: true })).toContain(
      "\u001b[1mbold\u001b[0m\tx?]0;title??[2J\u001b[0m",
    );
    expect(logText(null, wild, PLAIN)).toBe(`4711 | ${wild.line}`);
  });
});

it("prints an object a line for programs", () => {
  expect(logJson("web1", "w", line)).toBe(
    '{"host":"web1","watcher":"w","pid":4711,"stream":"stdout","time":0,"line":"hello"}',
  );
});

describe("notes", () => {
  const past = { kind: "past", lines: [], isCut: false, untimed: [] } as const;

  it.each([
    [{ stdout: "file", stderr: "none" }, true, null],
    [{ stdout: "live", stderr: "none" }, true, "w writes to no file: live lines only"],
    [{ stdout: "live", stderr: "none" }, false, "w writes to no file: there are live lines only, see -f"],
    [
      { stdout: "none", stderr: "none" },
      true,
      "the output of w is not captured: set stdout_stream.filename, or stdout_stream.class",
    ],
  ] as const)("of %j", (sources, isFollowed, text) => {
    expect(sourceNote("w", { ...past, sources }, isFollowed)).toBe(text);
  });

  it("name streams without time, hosts, and how many lines were lost", () => {
    const sources = { stdout: "file", stderr: "file" } as const;
    expect(sourceNote("w", { ...past, sources, untimed: ["stdout", "stderr"] }, false)).toBe(
      "lines of w have no time, so --since only leaves out whole files; set stdout_stream.time_format and stderr_stream.time_format",
    );
    expect([missedNote(1), missedNote(7), missedNote(null)]).toEqual([
      "1 line left out",
      "7 lines left out",
      "some lines were left out",
    ]);
    expect(ofHosts([null], "x")).toBe("x");
    expect(ofHosts(["a", "b", "c", "d", "e"], "x")).toBe("a, b, c and 2 more: x");
  });
});
