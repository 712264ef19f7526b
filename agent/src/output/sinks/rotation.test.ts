import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TimedRotation } from "../../config/streams.ts";
import { FileTarget, type Rotation } from "../file-target.ts";
import { LineCutter } from "../lines.ts";
import { SizeRotation } from "./size-rotation.ts";
import { intervalAt, TimeRotation } from "./time-rotation.ts";

const dir = mkdtempSync(join(tmpdir(), "rotation-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

let number = 0;
const freshPath = (): string => {
  const own = join(dir, String(++number));
  mkdirSync(own);
  return join(own, "f");
};

interface Written {
  readonly path: string;
  readonly moved: (string | null)[];
  readonly target: FileTarget;
  readonly write: (text: string | Buffer) => Promise<void>;
}

function open(rotation: Rotation, path = freshPath()): Written {
  const moved: (string | null)[] = [];
  let writes = 0;
  const onRotationFailed = (error: unknown): void => {
    throw error;
  };
  const target = FileTarget.open({
    path,
    rotation,
    checkEveryMs: 100,
    // Every third is on a device that nobody waits for.
    ownDevice: number % 3 === 0 ? null : statSync(dir).dev,
    onRotated: (to) => moved.push(to),
    onRotationFailed,
  });
  const write = async (text: string | Buffer): Promise<void> => {
    // Every other time at once, where that may be: the two ways are to mix as they like.
    for (let rest = Buffer.from(text as string); rest.length > 0; ) {
      const now = ++writes % 2 === 0 ? target.writeNow(rest) : 0;
      rest = rest.subarray(now > 0 ? now : await target.write(rest));
    }
  };
  return { path, moved, target, write };
}

/** The files of a size rotation, the oldest first. */
const files = (path: string): string[] => {
  const numbers = readdirSync(join(path, ".."))
    .filter((name) => name.startsWith("f."))
    .map((name) => Number(name.slice(2)));
  return [...numbers.sort((a, b) => b - a).map((n) => `${path}.${n}`), path].map((file) => readFileSync(file, "utf8"));
};

const lines = fc.array(
  fc.string({ unit: "grapheme", maxLength: 30 }).map((line) => line.replaceAll("\n", "")),
  { maxLength: 30 },
);

describe("SizeRotation", () => {
  it("loses nothing: all files together are the input, in whole lines, none longer than the limit", async () => {
    await fc.assert(
      fc.asyncProperty(
        lines,
        fc.integer({ min: 1, max: 80 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (input, max, cuts) => {
          const text = input.map((line) => `${line}\n`).join("");
          const bytes = Buffer.from(text);
          const { path, target, write, moved } = open(new SizeRotation(max, 1000));
          const cutter = new LineCutter();
          const at = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
          for (const [i, from] of at.entries()) {
            const piece = cutter.push(bytes.subarray(from, at[i + 1]));
            if (piece !== null) await write(piece.bytes);
          }
          await target.close();
          const parts = files(path);
          expect(parts.join("")).toBe(text);
          expect(moved).toHaveLength(parts.length - 1);
          for (const part of parts) {
            expect(part === "" || part.endsWith("\n")).toBe(true);
            if (Buffer.byteLength(part) > max) expect(part.indexOf("\n")).toBe(part.length - 1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps as many old files as it is told, the newest", async () => {
    const { path, target, write } = open(new SizeRotation(4, 2));
    await write("aa\nbb\ncc\ndd\nee\n");
    await target.close();
    expect(files(path)).toEqual(["cc\n", "dd\n", "ee\n"]);
  });

  it("limits without old files too: the full file is begun anew (D12)", async () => {
    const { path, target, write, moved } = open(new SizeRotation(6, 0));
    await write("aa\nbb\ncc\ndd\nee\n");
    await target.close();
    expect(files(path)).toEqual(["ee\n"]);
    expect(moved).toEqual([null, null]);
  });

  it("goes on where an earlier life stopped", async () => {
    const path = freshPath();
    writeFileSync(path, "aa\nbb\n");
    const { target, write } = open(new SizeRotation(8, 5), path);
    await write("cc\n");
    await target.close();
    expect(files(path)).toEqual(["aa\nbb\n", "cc\n"]);
  });

  it("writes a line without end into files of the limit, for the limit is a limit", async () => {
    const { path, target, write } = open(new SizeRotation(8, 5));
    await write("12345678");
    await write("12345678");
    await target.close();
    expect(files(path)).toEqual(["12345678", "12345678"]);
  });

  it("says that it cannot rotate and goes on writing", async () => {
    const path = freshPath();
    const failures: unknown[] = [];
    mkdirSync(`${path}.1`); // in the way
    const target = FileTarget.open({
      ...{ path, rotation: new SizeRotation(4, 1), checkEveryMs: 100, ownDevice: null },
      onRotationFailed: (error) => failures.push(error),
    });
    for (const text of ["aaa\n", "bbb\n", "ccc\n"]) await target.write(Buffer.from(text));
    await target.close();
    expect(readFileSync(path, "utf8")).toBe("aaa\nbbb\nccc\n");
    expect(failures).toHaveLength(1);
  });
});

describe("FileTarget", () => {
  it("makes the file anew that was moved or deleted", async () => {
    const { path, target, write } = open(new SizeRotation(1000, 1));
    await write("a\n");
    const moved = `${path}-moved`;
    await import("node:fs/promises").then(({ rename }) => rename(path, moved));
    target.reopen();
    await write("b\n");
    rmSync(path);
    target.reopen();
    await write("c\n");
    await target.close();
    expect([readFileSync(moved, "utf8"), readFileSync(path, "utf8")]).toEqual(["a\n", "c\n"]);
  });

  it("does not rotate what is no file", async () => {
    const { target, write, moved } = open(new SizeRotation(2, 3), "/dev/null");
    await write("aaa\nbbb\n");
    await target.close();
    expect(moved).toEqual([]);
    expect(existsSync("/dev/null.1")).toBe(false);
  });

  it("refuses what cannot be opened, with the system's reason", () => {
    expect(() => open(new SizeRotation(2, 3), join(dir, "no", "such"))).toThrow("ENOENT");
    expect(() => open(new SizeRotation(2, 3), dir)).toThrow("EISDIR");
  });
});

describe("intervalAt", () => {
  beforeEach(() => {
    vi.stubEnv("TZ", "Europe/Berlin");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  const at = (time: string, when: string, interval = 1, utc = false): string[] => {
    const { beginMs, endMs } = intervalAt(Date.parse(time), { when, interval, utc });
    return [beginMs, endMs].map((ms) => new Date(ms).toISOString().replace(":00.000Z", "Z"));
  };

  it("counts seconds, minutes, hours and days from the moment", () => {
    expect(at("2024-05-05T10:20:30.5Z", "S", 5)).toEqual(["2024-05-05T10:20:30.000Z", "2024-05-05T10:20:35.000Z"]);
    expect(at("2024-05-05T10:20:00Z", "M")).toEqual(["2024-05-05T10:20Z", "2024-05-05T10:21Z"]);
    expect(at("2024-05-05T10:20:00Z", "H", 2)).toEqual(["2024-05-05T10:20Z", "2024-05-05T12:20Z"]);
    expect(at("2024-05-05T10:20:00Z", "D")).toEqual(["2024-05-05T10:20Z", "2024-05-06T10:20Z"]);
  });

  it("ends at midnight, also on a day of 23 or 25 hours", () => {
    expect(at("2024-05-05T10:00Z", "MIDNIGHT")).toEqual(["2024-05-04T22:00Z", "2024-05-05T22:00Z"]);
    expect(at("2024-03-31T10:00Z", "MIDNIGHT")).toEqual(["2024-03-30T23:00Z", "2024-03-31T22:00Z"]);
    expect(at("2024-10-27T10:00Z", "MIDNIGHT", 2)).toEqual(["2024-10-26T22:00Z", "2024-10-28T23:00Z"]);
    expect(at("2024-05-05T10:00Z", "MIDNIGHT", 1, true)).toEqual(["2024-05-05T00:00Z", "2024-05-06T00:00Z"]);
  });

  it("ends with a day of the week, Monday being 0", () => {
    // 2024-05-05 is a Sunday.
    expect(at("2024-05-05T10:00Z", "W6", 1, true)).toEqual(["2024-04-29T00:00Z", "2024-05-06T00:00Z"]);
    expect(at("2024-05-05T10:00Z", "W0", 1, true)).toEqual(["2024-04-30T00:00Z", "2024-05-07T00:00Z"]);
    expect(at("2024-05-06T10:00Z", "W0", 1, true)).toEqual(["2024-04-30T00:00Z", "2024-05-07T00:00Z"]);
    expect(at("2024-05-07T10:00Z", "W0", 2, true)).toEqual(["2024-05-07T00:00Z", "2024-05-21T00:00Z"]);
  });
});

describe("TimeRotation", () => {
  const hourly: TimedRotation = { when: "H", interval: 1, utc: true };
  let now = 0;
  const clock = (): number => now;
  beforeEach(() => {
    now = Date.parse("2024-05-05T10:20:30Z");
  });
  const names = (path: string): string[] => readdirSync(join(path, "..")).sort();

  it("moves the file away at the first write after its interval, named for its beginning", async () => {
    const { path, target, write } = open(new TimeRotation(hourly, 0, clock));
    await write("a\n");
    now += 3_599_000;
    await write("b\n");
    now += 2000;
    await write("c\nd");
    now += 7_200_000; // in the middle of a line: it is ended first
    await write("d\n");
    await write("e\n");
    await target.close();
    expect(names(path)).toEqual(["f", "f.2024050510", "f.2024050511"]);
    expect(readFileSync(`${path}.2024050510`, "utf8")).toBe("a\nb\n");
    expect(readFileSync(path, "utf8")).toBe("e\n");
  });

  it("takes a file of an earlier life by the time it was written last", async () => {
    const path = freshPath();
    writeFileSync(path, "old\n");
    utimesSync(path, new Date("2024-05-04T07:00:00Z"), new Date("2024-05-04T07:00:00Z"));
    const { target, write } = open(new TimeRotation(hourly, 0, clock), path);
    await write("new\n");
    await target.close();
    expect(names(path)).toEqual(["f", "f.2024050407"]);
  });

  it("never costs an older file of the same name, and keeps the newest of them", async () => {
    const path = freshPath();
    for (const name of ["2024050509", "2024050510", "2024050510.1", "notes"]) writeFileSync(`${path}.${name}`, name);
    const { target, write } = open(new TimeRotation(hourly, 2, clock), path);
    await write("a\n");
    now += 3_600_000;
    await write("b\n");
    await target.close();
    expect(names(path)).toEqual(["f", "f.2024050510.1", "f.2024050510.2", "f.notes"]);
    expect(readFileSync(`${path}.2024050510.2`, "utf8")).toBe("a\n");
    expect(statSync(path).size).toBe(2);
  });
});

describe("FileTarget.writeNow", () => {
  const now = (path: string, ownDevice: number | null) =>
    FileTarget.open({ path, rotation: null, checkEveryMs: 0, ownDevice });

  it("writes at once, but not to a file that was moved away, on another device, or more than a little", async () => {
    const path = freshPath();
    const { dev } = statSync(dir);
    const target = now(path, dev);
    expect(target.writeNow(Buffer.from("one\n"))).toBe(4);
    expect(target.writeNow(Buffer.alloc(1024 * 1024 + 1))).toBe(0);
    renameSync(path, `${path}.moved`);
    expect(target.writeNow(Buffer.from("two\n"))).toBe(0);
    await target.write(Buffer.from("two\n"));
    expect(target.writeNow(Buffer.from("three\n"))).toBe(6);
    await target.close();
    expect(target.writeNow(Buffer.from("four\n"))).toBe(0);
    expect([readFileSync(`${path}.moved`, "utf8"), readFileSync(path, "utf8")]).toEqual(["one\n", "two\nthree\n"]);
    for (const device of [null, dev + 1]) {
      const other = now(path, device);
      expect(other.writeNow(Buffer.from("x"))).toBe(0);
      await other.close();
    }
  });

  it("leaves a disk that was slow to the others for a while", async () => {
    let [ms, tookMs] = [0, 150];
    const { dev } = statSync(dir);
    const path = freshPath();
    const target = FileTarget.open({
      ...{ path, rotation: null, checkEveryMs: 1000, ownDevice: dev },
      now: () => (ms += tookMs), // each look at the clock
    });
    expect(target.writeNow(Buffer.from("a"))).toBe(1);
    tookMs = 1;
    expect(target.writeNow(Buffer.from("b"))).toBe(0);
    ms += 6000;
    expect(target.writeNow(Buffer.from("b"))).toBe(1);
    await target.close();
  });
});
