import { checkOptions, optionFromText } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { optionsOf } from "../commands/options-view.ts";
import { applyOptions } from "../watcher/options.ts";
import { TEST_CONFIG } from "../watcher/world.fixture.ts";
import { resolveStream, streamRefusal } from "./streams.ts";
import type { WatcherConfig } from "./types.ts";

const problems = (options: Record<string, unknown>): string[] =>
  resolveStream(options).problems.map(({ option, severity, problem }) => `${severity} ${option ?? "-"}: ${problem}`);

describe("resolveStream", () => {
  it("takes a file where only a filename is given, with the values of texts or of numbers", () => {
    for (const options of [
      { filename: "/f", max_bytes: "1000", backup_count: "3" },
      { filename: "/f", max_bytes: 1000, backup_count: 3 },
    ]) {
      expect(resolveStream(options)).toEqual({
        problems: [],
        stream: {
          ...{ class: "FileStream", filename: "/f", maxBytes: 1000, backupCount: 3 },
          ...{ timeFormat: null, rotation: null, color: null },
          given: { class: "FileStream", ...options },
        },
      });
    }
  });

  it.each(["FancyStdoutStream", "circus.stream.FancyStdoutStream"])("knows the class %s", (name) => {
    const { stream } = resolveStream({ class: name, color: "Blue" });
    expect(stream).toMatchObject({ class: "FancyStdoutStream", color: "blue", timeFormat: "%Y-%m-%d %H:%M:%S" });
    expect(stream?.given).toEqual({ class: name, color: "Blue" });
  });

  it("takes rotate_when in any case", () => {
    const { stream } = resolveStream({
      ...{ class: "circus.stream.file_stream.TimedRotatingFileStream", filename: "f" },
      ...{ rotate_when: "w0", rotate_interval: "2", utc: "yes", refresh_time: "0.3" },
    });
    expect(stream?.rotation).toEqual({ when: "W0", interval: 2, utc: true });
  });

  it.each([
    [{ class: "StdoutStream", filename: "f" }, ["warning filename: no effect with StdoutStream"]],
    [{ filename: "f", max_byte: "1" }, ["warning max_byte: FileStream has no such option; did you mean 'max_bytes'?"]],
    [{ class: "FileStream" }, ["warning -: it has no 'filename': a temporary file is used"]],
    [
      { class: "FancyStdoutStream", color: "pink" },
      ["warning color: 'pink' is none of red, green, yellow, blue, magenta, cyan, white: any is taken"],
    ],
    [{ filename: "f", max_bytes: -1 }, ["error max_bytes: -1 is less than 0"]],
    [
      { filename: ["f"] },
      ["error filename: it is neither a text nor a number", expect.stringContaining("error -: it needs a 'class'")],
    ],
    [
      { class: "TimedRotatingFileStream", filename: "f", rotate_when: "Y", utc: "maybe" },
      [
        "error rotate_when: 'Y' is none of S, M, H, D, MIDNIGHT, W0, W1, W2, W3, W4, W5, W6",
        "error utc: 'maybe' is not yes or no (also true, on, 1; false, off, 0)",
      ],
    ],
  ])("says what is wrong with %j", (options, expected) => {
    expect(problems(options)).toEqual(expected);
  });

  it("gives whoever sent it one line", () => {
    expect(streamRefusal("stdout_stream", resolveStream({ class: "X" }))).toMatch(
      /^stdout_stream.class: there is no stream class 'X'/,
    );
    expect(streamRefusal("stdout_stream", resolveStream({ filename: "f" }))).toBeNull();
  });
});

describe("set", () => {
  const timed = resolveStream({ class: "TimedRotatingFileStream", filename: "/f", rotate_when: "H" }).stream;
  const config: WatcherConfig = { ...TEST_CONFIG, stdoutStream: timed };
  const set = (options: Record<string, unknown>) => applyOptions(config, checkOptions(options));

  it("changes one option and keeps the class (D12), live", () => {
    const applied = set({ "stdout_stream.backup_count": optionFromText("stdout_stream.backup_count", "7") });
    if (applied.kind !== "applied") throw new Error(applied.reason);
    expect(applied.needsReload).toBe(false);
    expect(applied.config.stdoutStream).toMatchObject({ class: "TimedRotatingFileStream", backupCount: 7 });
    expect(optionsOf(applied.config)).toMatchObject({
      stdout_stream_conf: { class: "TimedRotatingFileStream", filename: "/f", rotate_when: "H", backup_count: 7 },
      stderr_stream_conf: {},
    });
  });

  it("replaces the whole stream by an object (D14); where there was none, only new processes write to it", () => {
    expect(set({ stdout_stream: { class: "StdoutStream" } })).toMatchObject({
      ...{ kind: "applied", needsReload: false },
      config: { stdoutStream: { class: "StdoutStream", filename: null } },
    });
    expect(set({ stderr_stream: { class: "FileStream", filename: "/e" } })).toMatchObject({ needsReload: true });
  });

  it("refuses an option that its class does not have, also one that comes with it", () => {
    const reason = (options: Record<string, unknown>) => (set(options) as { readonly reason?: string }).reason;
    expect(reason({ "stdout_stream.filenam": "/g" })).toBe(
      "stdout_stream.filenam: TimedRotatingFileStream has no such option; did you mean 'filename'?",
    );
    expect(reason({ "stdout_stream.max_bytes": 5 })).toBe(
      "stdout_stream.max_bytes: no effect with TimedRotatingFileStream",
    );
    expect(reason({ "stdout_stream.max_bytes": 5, "stdout_stream.class": "FileStream" })).toBeUndefined();
    expect(reason({ "stdout_stream.refresh_time": "1" })).toBeUndefined();
  });

  it("refuses what is no stream, with nothing applied", () => {
    const refused = { kind: "refused", code: "message" };
    expect(set({ "stdout_stream.max_bytes": 5, "stdout_stream.class": "Nope" })).toMatchObject(refused);
    expect(set({ "stdout_stream.rotate_when": "never" })).toMatchObject({
      ...refused,
      reason: expect.stringContaining("stdout_stream.rotate_when: 'never' is none of") as string,
    });
    expect(() => set({ stdout_stream: "x" })).toThrow("'stdout_stream' isn't a valid object");
    expect(() => set({ stdout_stream: { filename: "x" } })).toThrow("'stdout_stream' must have a 'class' key");
    expect(() => optionFromText("stdout_stream", "x")).toThrow("unknown key 'stdout_stream'");
  });
});
