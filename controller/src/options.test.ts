import { describe, expect, it } from "vitest";
import { parseOptions } from "./options.ts";

const DAY = 86_400_000;
const mistake = (message: string) => ({ kind: "usage-error", message });

describe("the command line", () => {
  it.each([
    [["a.ini"], { kind: "run", file: "a.ini" }],
    [["--check", "a.ini"], { kind: "check-settings", file: "a.ini" }],
    [["a.ini", "--check"], { kind: "check-settings", file: "a.ini" }],
    [["--", "--odd.ini"], { kind: "run", file: "--odd.ini" }],
    [["./check"], { kind: "run", file: "./check" }],
    [["--help"], { kind: "help" }],
    [["backup", "--help"], { kind: "help" }],
    [["--version"], { kind: "version" }],
    [[], mistake("FILE.ini is missing")],
    [["--chekc", "a.ini"], mistake("unknown option '--chekc'")],
    [["a.ini", "b.ini"], mistake("one file is enough: 'b.ini' is too many")],
    [["check", "a.ini"], { kind: "check", file: "a.ini", json: false }],
    [["check", "a.ini", "--json"], { kind: "check", file: "a.ini", json: true }],
    [["check", "--keep", "a.ini"], mistake("unknown option '--keep' of check")],
    [["backup", "a.ini", "out"], { kind: "backup", file: "a.ini", directory: "out" }],
    [["backup", "a.ini"], mistake("where to? DIR is missing")],
    [["prune", "a.ini"], { kind: "prune", file: "a.ini", keepMs: null, keepBytes: null }],
    [["prune", "--keep", "7d", "a.ini"], { kind: "prune", file: "a.ini", keepMs: 7 * DAY, keepBytes: null }],
    [
      ["prune", "a.ini", "--keep=2d", "--keep-size=1G"],
      { kind: "prune", file: "a.ini", keepMs: 2 * DAY, keepBytes: 1024 ** 3 },
    ],
    [["prune", "a.ini", "--keep", "1h"], mistake("--keep '1h' is no time of a day or more, such as 30d")],
    [["prune", "a.ini", "--keep-size", "big"], mistake("--keep-size 'big' is no size, such as 10G")],
    [["prune", "a.ini", "--keep"], mistake("--keep needs a value")],
    [
      ["token", "--name", "eve", "--role=viewer", "a.ini"],
      { kind: "token", file: "a.ini", work: { do: "make", holder: { name: "eve", role: "viewer" } } },
    ],
    [["token", "a.ini", "--list"], { kind: "token", file: "a.ini", work: { do: "list" } }],
    [["token", "a.ini", "--revoke", "eve"], { kind: "token", file: "a.ini", work: { do: "revoke", name: "eve" } }],
    [["token", "a.ini", "--revoke", "eve", "--list"], mistake("--list stands alone")],
    [["token", "a.ini", "--revoke", "eve", "--role", "viewer"], mistake("--revoke stands alone")],
    [
      ["token", "a.ini", "--revoke", "e/v"],
      mistake("--revoke 'e/v' has other than letters, digits, '_' and '-', or more than 64"),
    ],
    [["token", "a.ini", "--role", "viewer"], mistake("whom for? --name NAME is missing")],
    [
      ["token", "--name", "e v", "--role", "viewer", "a.ini"],
      mistake("--name 'e v' has other than letters, digits, '_' and '-', or more than 64"),
    ],
    [["token", "--name", "eve", "a.ini"], mistake("--role is one of viewer, operator")],
    [["token", "--name", "eve", "--role", "root", "a.ini"], mistake("--role is one of viewer, operator")],
    [["token", "--name", "eve", "--role", "viewer"], mistake("FILE.ini is missing")],
    [["rebuild", "a.ini"], { kind: "rebuild", file: "a.ini" }],
    [["rebuild", "a.ini", "b"], mistake("one file is enough: 'b' is too many")],
  ])("reads %j", (argv, options) => {
    expect(parseOptions(argv)).toEqual(options);
  });
});
