import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { olderFirstLast } from "./files.ts";
import { lineReader } from "./line-time.ts";
import { type PastWanted, parsePlace, placeText, readPast } from "./past.ts";

const dir = mkdtempSync(join(tmpdir(), "past-test-"));
afterAll(() => rmSync(dir, { recursive: true }));
let number = 0;
const freshFile = (): string => join(dir, `${++number}.log`);

const wanted = (path: string, more: Partial<PastWanted> = {}): PastWanted => ({
  ...{ path, stream: "stdout", reader: lineReader(null), lines: 100, since: null, before: null },
  ...more,
});
const texts = (lines: readonly { readonly line: string }[]): string[] => lines.map(({ line }) => line);

describe("readPast", () => {
  it("reads the last lines, and older ones page by page through rotated files", async () => {
    const path = freshFile();
    writeFileSync(`${path}.2`, "1\n2\n");
    writeFileSync(`${path}.1`, "3\n4\n");
    writeFileSync(path, "5\n6\n7\n");
    writeFileSync(`${path}.3.gz`, "no text");
    const seen: string[][] = [];
    let before: PastWanted["before"] = null;
    do {
      const page = await readPast(
        wanted(path, { lines: 2, before: before === null ? null : parsePlace(placeText(before)) }),
      );
      seen.push(texts(page.lines));
      before = page.before;
    } while (before !== null);
    expect(seen).toEqual([["6", "7"], ["4", "5"], ["2", "3"], ["1"]]);
  });

  it("goes on in a file that was rotated between two pages", async () => {
    const path = freshFile();
    writeFileSync(path, "a\nb\nc\n");
    const first = await readPast(wanted(path, { lines: 1 }));
    const { renameSync } = await import("node:fs");
    renameSync(path, `${path}.1`);
    writeFileSync(path, "d\n");
    const second = await readPast(wanted(path, { before: first.before }));
    expect([texts(first.lines), texts(second.lines)]).toEqual([["c"], ["a", "b"]]);
  });

  it("ends at the moment that is wanted, where lines tell the time, else at files that were not written since", async () => {
    const path = freshFile();
    const reader = lineReader("%s");
    writeFileSync(`${path}.1`, "100 [7] | a\n");
    writeFileSync(path, "200 [7] | b\n300 [8] | c\n");
    const timed = await readPast(wanted(path, { reader, since: 200_000 }));
    expect(timed).toEqual({
      before: null,
      lines: [
        { stream: "stdout", pid: 7, time: 200_000, line: "b" },
        { stream: "stdout", pid: 8, time: 300_000, line: "c" },
      ],
    });
    utimesSync(`${path}.1`, 100, 100);
    expect((await readPast(wanted(path, { since: 200_000 }))).lines.length).toBe(2);
  });

  it("gives nothing where there is no file, or the place is in none of them", async () => {
    const path = freshFile();
    expect(await readPast(wanted(path))).toEqual({ lines: [], before: null });
    writeFileSync(path, "a\n");
    expect(await readPast(wanted(path, { before: parsePlace("0.0") }))).toEqual({ lines: [], before: null });
    expect(parsePlace("x")).toBeNull();
  });

  it("bounds a page by its size too", async () => {
    const path = freshFile();
    writeFileSync(path, `${"x".repeat(20_000)}\n`.repeat(30));
    const page = await readPast(wanted(path, { lines: 10_000 }));
    expect(page.lines.length).toBe(7);
    expect((await readPast(wanted(path, { before: page.before, lines: 10_000 }))).lines.length).toBe(7);
  });
});

it("orders rotated files, the newest first", () => {
  const suffixes = ["10", "2", "1", "1.gz", "20240131", "20240131.1", "202401311200", "old"];
  expect(olderFirstLast(suffixes)).toEqual(["1", "2", "10", "202401311200", "20240131.1", "20240131"]);
});
