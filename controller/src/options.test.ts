import { describe, expect, it } from "vitest";
import { parseOptions } from "./options.ts";

describe("the command line", () => {
  it.each([
    [["a.ini"], { kind: "run", file: "a.ini" }],
    [["--check", "a.ini"], { kind: "check", file: "a.ini" }],
    [["a.ini", "--check"], { kind: "check", file: "a.ini" }],
    [["--", "--odd.ini"], { kind: "run", file: "--odd.ini" }],
    [["--help"], { kind: "help" }],
    [["--version"], { kind: "version" }],
    [[], { kind: "usage-error", message: "FILE.ini is missing" }],
    [["--chekc", "a.ini"], { kind: "usage-error", message: "unknown option '--chekc'" }],
    [["a.ini", "b.ini"], { kind: "usage-error", message: "one file is enough: 'b.ini' is too many" }],
  ])("reads %j", (argv, options) => {
    expect(parseOptions(argv)).toEqual(options);
  });
});
