import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CommandLine, readArgv, toOclif } from "./argv.ts";
import { GLOBAL_OPTIONS, VERBS } from "./verbs.ts";

const read = (line: string): CommandLine => readArgv(line === "" ? [] : line.split(" "));
const runs = (verb: string, words: string[], options: Record<string, string | true> = {}): CommandLine => ({
  kind: "run",
  request: { verb, words, options },
});

describe("readArgv()", () => {
  it.each<[string, CommandLine]>([
    ["status", runs("status", [])],
    ["--all restart myworker", runs("restart", ["myworker"], { all: true })],
    ["restart myworker --all", runs("restart", ["myworker"], { all: true })],
    ["restart --all myworker", runs("restart", ["myworker"], { all: true })],
    ["--host web1,web2 status", runs("status", [], { host: "web1,web2" })],
    ["status --host=web1", runs("status", [], { host: "web1" })],
    ["--endpoint=tcp://127.0.0.1:1 list", runs("list", [], { endpoint: "tcp://127.0.0.1:1" })],
    ["--time 3 list", runs("list", [], { timeout: "3" })],
    ["incr web 2 --wait", runs("incr", ["web", "2"], { waiting: true })],
    ["--all incr web 2 --wait 5s", runs("incr", ["web", "2"], { wait: "5s", all: true })],
    ["incr web -1", runs("incr", ["web", "-1"])],
    ["incr -1", runs("incr", ["-1"])],
    ["--all --at-once stop web", runs("stop", ["web"], { all: true, "at-once": true })],
    ["--batch 2 restart web --all", runs("restart", ["web"], { batch: "2", all: true })],
    ["status status", runs("status", ["status"])],
    ["restart list --json", runs("restart", ["list"], { json: true })],
    ["restart help", runs("restart", ["help"])],
    ["restart -- --all", runs("restart", ["--all"])],
    ["-- restart --all", runs("restart", ["--all"])],
    ["restart a -- -- b", runs("restart", ["a", "--", "b"])],
    ["kill web --signum TERM 12", runs("kill", ["web", "12"], { signum: "TERM" })],
    ["rollout list", runs("rollout list", [])],
    ["rollout --json show x --prove", runs("rollout show", ["x"], { json: true, prove: true })],
    ["fleet init --dir d", runs("fleet init", [], { dir: "d" })],
    ["--version", { kind: "version" }],
    ["--version frob", { kind: "version" }],
    ["", { kind: "shell", options: {} }],
    ["--json --endpoint x", { kind: "shell", options: { json: true, endpoint: "x" } }],
    ["--help", { kind: "help", words: [] }],
    ["help", { kind: "help", words: [] }],
    ["help restart", { kind: "help", words: ["restart"] }],
    ["--help incr", { kind: "help", words: ["incr"] }],
    ["incr web --help", { kind: "help", words: ["incr"] }],
    ["incr -h", { kind: "help", words: ["incr"] }],
    ["help rollout show", { kind: "help", words: ["rollout", "show"] }],
    ["rollout show --help", { kind: "help", words: ["rollout", "show"] }],
    ["rollout --help", { kind: "help", words: ["rollout"] }],
  ])("%s", (line, expected) => {
    expect(read(line)).toEqual(expected);
  });

  it.each([
    ["statsu", "unknown command 'statsu'; did you mean 'status'?"],
    ["frobnicate", "unknown command 'frobnicate'"],
    [
      "rollout",
      "rollout needs a further word: rollout list, rollout show, rollout watch, rollout pause, rollout resume, rollout abort, rollout retry",
    ],
    ["rollout lsit", "unknown command 'rollout lsit'; did you mean 'rollout list'?"],
    ["list --foo", "unknown option --foo"],
    ["list --jsno", "unknown option --jsno; did you mean --json?"],
    ["--batch 2 kill web", "kill takes no --batch"],
    ["list -x", "unknown option -x"],
    ["--waiting incr web", "unknown option --waiting"],
    ["--tls x list", "--tls is ambiguous: --tls-ca, --tls-cert, --tls-key"],
    ["list --endpoint", "--endpoint needs a value: ENDPOINT"],
    ["list --json=yes", "--json takes no value"],
  ])("%s is a mistake", (line, reason) => {
    expect(read(line)).toEqual({ kind: "usage", reason });
  });

  it("reads global options the same wherever they stand", () => {
    const words = fc.array(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,8}$/), { maxLength: 3 });
    const global = fc.constantFrom(...GLOBAL_OPTIONS.filter(({ name }) => name !== "help" && name !== "version"));
    const options = fc.uniqueArray(global, { selector: ({ name }) => name, maxLength: 4 });
    const verb = fc.constantFrom(...VERBS.keys());
    fc.assert(
      fc.property(verb, words, options, fc.nat(), (name, given, chosen, seed) => {
        const parts = chosen.map(({ name: option, value }) =>
          value === null ? [`--${option}`] : [`--${option}`, "x"],
        );
        const spine = [...name.split(" "), ...given].map((word) => [word]);
        const mixed = [...spine];
        for (const [at, part] of parts.entries()) mixed.splice((seed + at * 7) % (mixed.length + 1), 0, part);
        expect(readArgv(mixed.flat())).toEqual(readArgv([...parts, ...spine].flat()));
      }),
    );
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.array(fc.string()), (argv) => void readArgv(argv)));
  });
});

describe("toOclif()", () => {
  it("puts the id first, then the options, then words that can be no options", () => {
    const request = { verb: "rollout show", words: ["-1", "--all"], options: { json: true, nats: "a=b" } } as const;
    expect(toOclif(request)).toEqual(["rollout:show", "--json", "--nats=a=b", "--", "-1", "--all"]);
  });
});

describe("VERBS", () => {
  it("no verb has an option that is called like a global one", () => {
    const globals = new Set(GLOBAL_OPTIONS.map(({ name }) => name));
    const clashes = [...VERBS.values()].flatMap(({ name, options }) =>
      options.filter((option) => globals.has(option.name)).map((option) => `${name} --${option.name}`),
    );
    expect(clashes).toEqual([]);
  });
});
