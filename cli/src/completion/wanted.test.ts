import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VERBS } from "../verbs.ts";
import { type Wanted, wantedAt } from "./wanted.ts";

const at = (line: string): Wanted => wantedAt(line.split(" "));
const words = (line: string): string[] => at(line).candidates.map(({ word }) => word);

describe("wantedAt()", () => {
  it.each<[string, string[]]>([
    ["rollout ", ["list", "show"]],
    ["completion ", ["bash", "zsh", "fish"]],
    ["stop web --match ", ["glob", "regex", "simple"]],
    ["set web shell ", ["true", "false"]],
    ["set web cmd ", []],
    ["incr web ", []],
    ["status web more ", []],
    ["rollout nope ", []],
  ])("%s", (line, expected) => {
    expect(words(line)).toEqual(expect.arrayContaining(expected));
    if (expected.length === 0) expect(words(line)).toEqual([]);
  });

  it.each<[string, string[]]>([
    ["", ["status", "restart", "rollout", "help", "listen"]],
    ["--json ", ["status", "restart"]],
    ["--endpoint x ", ["status", "restart"]],
    ["--endpoint=x ", ["status", "restart"]],
    ["help ", ["status", "rollout"]],
    ["-", ["--endpoint", "--all", "--ssh"]],
    ["restart web --", ["--waiting", "--match", "--endpoint"]],
    ["--all restart web --", ["--waiting", "--soak", "--endpoint"]],
    ["set web ", ["numprocesses", "stop_signal", "shell"]],
    ["set web shell true ", ["numprocesses"]],
    ["set web stop_signal ", ["TERM", "HUP"]],
    ["signal web ", ["TERM"]],
    ["signal web 12 ", ["TERM"]],
    ["kill web --signum ", ["KILL"]],
    ["globaloptions ", ["endpoint", "check_delay"]],
  ])("%s offers, among others, %j", (line, some) => {
    expect(words(line)).toEqual(expect.arrayContaining(some));
  });

  it.each<[string, Wanted["live"]]>([
    ["restart ", [{ kind: "watchers" }]],
    ["--json restart --waiting ", [{ kind: "watchers" }]],
    ["restart -- ", [{ kind: "watchers" }]],
    ["status list ", []],
    ["history ", [{ kind: "watchers" }]],
    ["signal web ", [{ kind: "pids", watcher: "web" }]],
    ["signal web 12 ", []],
    ["stats web ", [{ kind: "pids", watcher: "web" }]],
    ["get web ", [{ kind: "keys", watcher: "web" }]],
    ["get web uid ", [{ kind: "keys", watcher: "web" }]],
    ["restart --", []],
  ])("%s asks the agent for %j", (line, live) => {
    expect(at(line).live).toEqual(live);
  });

  it("offers no value of an option as a verb, and keeps options for the question", () => {
    expect(at("--endpoint tcp://h:1 --json restart ").options).toEqual({ endpoint: "tcp://h:1", json: true });
    expect(words("--endpoint ")).toEqual([]);
    expect(at("--creds ")).toMatchObject({ isFile: true, candidates: [] });
  });

  it("offers for every verb its options, and never throws", () => {
    for (const { name, options } of VERBS.values()) {
      expect(words(`--all ${name} --`)).toEqual(expect.arrayContaining(options.map((option) => `--${option.name}`)));
    }
    fc.assert(fc.property(fc.array(fc.string()), (line) => void wantedAt(line)));
  });
});
