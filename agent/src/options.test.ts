import fc from "fast-check";
import { expect, test } from "vitest";
import { HELP, type Options, parseOptions, USAGE } from "./options.ts";

function run(part: Partial<Extract<Options, { kind: "run" }>>): Options {
  return { kind: "run", configPath: "c.ini", loglevel: null, logoutput: null, pidfile: null, ...part };
}

test.each<[argv: string, expected: Options]>([
  ["c.ini", run({})],
  ["--log-level DEBUG c.ini", run({ loglevel: "debug" })],
  ["c.ini --log-output - --pidfile=/run/p", run({ logoutput: "-", pidfile: "/run/p" })],
  ["--log-l error --pid p c.ini", run({ loglevel: "error", pidfile: "p" })],
  ["-- -odd.ini", run({ configPath: "-odd.ini" })],
  ["--check c.ini", { kind: "check", configPath: "c.ini", json: false }],
  ["c.ini --check --json", { kind: "check", configPath: "c.ini", json: true }],
  ["--version", { kind: "version" }],
  ["c.ini --version --daemon", { kind: "version" }],
  ["-h --nonsense=", { kind: "usage-error", message: "unrecognized arguments: --nonsense" }],
  ["-h c.ini", { kind: "help", text: HELP }],
])("circusd %s", (argv, expected) => {
  expect(parseOptions(argv.split(" "))).toEqual(expected);
});

test("no configuration: the usage, and that is no error", () => {
  expect(parseOptions([])).toEqual({ kind: "help", text: USAGE });
  expect(parseOptions(["--pidfile", "x"])).toEqual({ kind: "help", text: USAGE });
});

test.each<[argv: string, message: string]>([
  ["--log-level loud c.ini", "--log-level: 'loud' is not one of critical, error, warning, info, debug"],
  ["--log-level Debug c.ini", "--log-level: 'Debug' is not one of critical, error, warning, info, debug"],
  ["c.ini d.ini", "unrecognized arguments: d.ini"],
  ["-x c.ini", "unrecognized arguments: -x"],
  ["--log c.ini", "ambiguous option: --log could be --log-level, --log-output, --logger-config"],
  ["--pidfile", "--pidfile needs a value"],
  ["--pidfile --check", "--pidfile needs a value"],
  ["--check=yes c.ini", "--check takes no value"],
  ["--check", "--check needs a configuration file"],
  ["--json c.ini", "--json needs --check"],
  ["--daemon c.ini", "--daemon is not supported by this version; let systemd or a shell put circusd in the background"],
  ["--log-output syslog://h c.ini", "--log-output: syslog is not supported by this version; use a file or -"],
  ["--logger-config x c.ini", "--logger-config is not supported by this version; use --log-level and --log-output"],
])("circusd %s is refused", (argv, message) => {
  expect(parseOptions(argv.split(" "))).toEqual({ kind: "usage-error", message });
});

test("no words make it throw", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom("--", "-", "--check", "--=", "-h", "--pidfile=", "c"))),
      (argv) => {
        expect(["run", "check", "help", "version", "usage-error"]).toContain(parseOptions(argv).kind);
      },
    ),
  );
});
