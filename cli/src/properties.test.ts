import { CircusError } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { readArgv } from "./argv.ts";
import { propertiesOf, WordsError } from "./properties.ts";
import { VERBS } from "./verbs.ts";

function propertiesFor(line: string): Record<string, unknown> {
  const read = readArgv(line.split(" "));
  if (read.kind !== "run") throw new Error(`${line}: ${JSON.stringify(read)}`);
  const verb = VERBS.get(read.request.verb);
  if (verb === undefined || verb.command === null) throw new Error(`${line} is no command of agents`);
  return propertiesOf(verb, verb.command, read.request);
}

describe("propertiesOf()", () => {
  it.each<[string, Record<string, unknown>]>([
    ["status", {}],
    ["status web", { name: "web" }],
    ["incr web", { name: "web" }],
    ["incr web 2 --waiting", { name: "web", nb: 2, waiting: true }],
    ["incr web -1 ignored", { name: "web", nb: -1 }],
    ["stop web ignored words", { name: "web" }],
    ["options web ignored", { name: "web" }],
    ["signal web TERM", { name: "web", signum: "TERM" }],
    ["signal web 12 TERM", { name: "web", pid: 12, signum: "TERM" }],
    ["signal --recursive web 9", { name: "web", signum: "9", recursive: true }],
    ["signal web TERM --children", { name: "web", signum: "TERM", children: true }],
    ["kill web", { name: "web" }],
    ["kill web 7 --signum HUP --graceful_timeout 1.5", { name: "web", pid: 7, signum: "HUP", graceful_timeout: 1.5 }],
    ["restart web --match regex --waiting", { name: "web", match: "regex", waiting: true }],
    ["reload --terminate --sequential", { graceful: false, sequential: true }],
    ["get web cmd env", { name: "web", keys: ["cmd", "env"] }],
    ["stats web 12 --extended", { name: "web", process: 12, extended: true }],
    ["globaloptions check_delay", { option: "check_delay" }],
    ["quit --waiting", { waiting: true }],
    ["set web numprocesses 3", { name: "web", options: { numprocesses: 3 } }],
    [
      "set web Max_Age 5 graceful_timeout 1.5 send_hup True cmd true uid root --waiting",
      {
        name: "web",
        options: { max_age: 5, graceful_timeout: 1.5, send_hup: true, cmd: "true", uid: "root" },
        waiting: true,
      },
    ],
    ["set web stop_signal sigterm", { name: "web", options: { stop_signal: 15 } }],
    ["set web stop_signal 9", { name: "web", options: { stop_signal: 9 } }],
  ])("%s", (line, expected) => {
    expect(propertiesFor(line)).toEqual(expected);
  });

  it.each([
    ["incr", "incr: NAME is missing; usage: circusctl incr NAME [N] [--waiting]"],
    ["incr web x", 'incr: NB "x" is no whole number; usage: circusctl incr NAME [N] [--waiting]'],
    ["get web", "get: KEYS is missing; usage: circusctl get NAME KEY…"],
    ["status a b", 'status: "b" is too much; usage: circusctl status [NAME]'],
    ["quit web", 'quit: "web" is too much; usage: circusctl quit [--keep-workers] [--waiting]'],
    ["set web numprocesses", "set: numprocesses has no value; usage: circusctl set NAME KEY VALUE… [--waiting]"],
    ["signal web", "signal: SIGNUM is missing; usage: circusctl signal NAME [PID] SIGNUM [--children] [--recursive]"],
  ])("%s is a mistake of words", (line, message) => {
    expect(() => propertiesFor(line)).toThrow(WordsError);
    expect(() => propertiesFor(line)).toThrow(message);
  });

  it.each([
    ["set web nope 1", "unknown key 'nope'"],
    ["set web numprocesses two", "'numprocesses' isn't an integer"],
    ["set web env A=1", "unknown key 'env'"],
    ["set web stop_signal NOPE", "'stop_signal' isn't an integer"],
  ])("%s is a mistake of values", (line, message) => {
    expect(() => propertiesFor(line)).toThrow(new CircusError("message", message));
  });
});
