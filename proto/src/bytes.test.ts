import { describe, expect, it } from "vitest";
import { formatBytes, parseBytes } from "./bytes.ts";

describe("sizes", () => {
  it.each([
    ["512", 512],
    ["10G", 10 * 1024 ** 3],
    ["1.5 GiB", 1.5 * 1024 ** 3],
    ["64kb", 64 * 1024],
    ["", null],
    ["G", null],
    ["-1M", null],
    ["10 parsecs", null],
    ["99999999999999999T", null],
  ])("reads %j", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "1.5 KiB"],
    [300 * 1024 ** 2, "300 MiB"],
    [5 * 1024 ** 5, "5120 TiB"],
  ])("shows %j", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
