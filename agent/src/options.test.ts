import fc from "fast-check";
import { expect, test } from "vitest";
import { HELP, type Options, parseOptions, USAGE } from "./options.ts";

function run(part: Partial<Extract<Options, { kind: "run" }>>): Options {
  const plain = { loglevel: null, logoutput: null, pidfile: null, isDaemon: false, isAdoptionRefused: false };
  return { kind: "run", configPath: "c.ini", ...plain, ...part };
}

test.each<[argv: string, expected: Options]>([
  ["c.ini", run({})],
  ["--log-level DEBUG c.ini", run({ loglevel: "debug" })],
  ["c.ini --log-output - --pidfile=/run/p", run({ logoutput: "-", pidfile: "/run/p" })],
  ["--log-l error --pid p c.ini", run({ loglevel: "error", pidfile: "p" })],
  [
    "--log-output syslog:///dev/log?daemon --log-level CRITICAL c.ini",
    run({ logoutput: "syslog:///dev/log?daemon", loglevel: "critical" }),
  ],
  ["--no-adopt c.ini", run({ isAdoptionRefused: true })],
  ["--logger-config default --daemon c.ini", run({ isDaemon: true })],
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
  [
    "--log-output syslog:// c.ini",
    "--log-output: it is not syslog://HOST[:PORT][?FACILITY] or syslog:///PATH[?FACILITY]",
  ],
  [
    "--logger-config x.json c.ini",
    "--logger-config: 'x.json' is a configuration of Python's logging, which circusd cannot follow; use the level and output of the log, or 'default'",
  ],
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
