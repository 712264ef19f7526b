/**
 * Every word that `circusctl` understands, as data: the agent's verbs come from proto's command table, the
 * fleet's own are added here. The parser, the help, the oclif commands and `run` derive from it. Pure.
 */
import {
  type CliArgument,
  COMMANDS,
  type CommandSpec,
  canDrain,
  canRollBack,
  ROLLOUT_COMMANDS,
} from "@circus-cluster/proto";
import { AT_ONCE, DRAIN, FLEET_OPTIONS, MODE, ON_FAIL, type OptionSpec, ROLLOUT, type Verb } from "./verb-options.ts";
import { FLEET, type More } from "./verbs-fleet.ts";

export { FLEET_ONLY, FLEET_OPTIONS, GLOBAL_OPTIONS, type OptionSpec, ROLLOUT_ONLY, type Verb } from "./verb-options.ts";

function fleetOptions({ name, access, doors }: CommandSpec): readonly OptionSpec[] {
  if (access !== "write" || !doors.includes("nats")) return [];
  const command = ROLLOUT_COMMANDS.find((one) => one === name);
  if (command === undefined) return [AT_ONCE];
  return [
    ...[AT_ONCE, ...ROLLOUT],
    ...(name === "restart" ? [MODE] : []),
    ...(canDrain(command) ? [DRAIN] : []),
    ...(canRollBack(command) ? [ON_FAIL] : []),
  ];
}

function placeholder(property: string): string {
  return property === "nb" ? "N" : property.toUpperCase();
}

function ofCommand(spec: CommandSpec, cli: NonNullable<CommandSpec["cli"]>): Verb {
  const own = cli.flags.map(({ flag, property, sets, doc }) => ({
    name: flag.replace(/^--/, ""),
    value: sets === null ? placeholder(property) : null,
    doc,
  }));
  const options = [...own, ...fleetOptions(spec)];
  return { name: spec.name, summary: spec.summary, args: cli.args, options, by: "agent", command: spec, examples: [] };
}

function ofContext(name: string, summary: string, more: More): Verb {
  return {
    name: `context ${name}`,
    summary,
    args: [],
    options: [],
    examples: [],
    ...more,
    by: "circusctl",
    command: null,
  };
}

const NAMED: readonly CliArgument[] = [{ property: "name", required: true }];

/** What `circusctl` does by itself. */
const OWN: readonly Verb[] = [
  ofContext("add", "Remembers how a fleet is reached: --nats, --creds, --tls-…", {
    args: NAMED,
    options: [{ name: "replace", value: null, doc: "one of this name is written anew" }],
    examples: ["context add prod --nats tls://nats.example:4222 --creds admin.creds"],
  }),
  ofContext("list", "The contexts; * is the current one", {}),
  ofContext("use", "The context for all that names none", { args: NAMED }),
  ofContext("rm", "Forgets a context", { args: NAMED }),
  ofContext("show", "A context, or the current one", { args: [{ property: "name", required: false }] }),
  {
    name: "doctor",
    summary: "Is all well here and in the fleet, and what is to be done? Exit 4: something is wrong",
    args: [],
    options: [],
    by: "circusctl",
    command: null,
    examples: ["doctor", "--all doctor --json"],
  },
  {
    name: "listen",
    summary: "Events of the agent as they happen, until Ctrl-C; --endpoint is its pubsub_endpoint",
    args: [{ property: "prefix", required: false, takes: "rest" }],
    options: [],
    by: "circusctl",
    command: null,
    examples: ["listen", "listen watcher.web. --json"],
  },
  {
    name: "logs",
    summary: "What a watcher's processes wrote, and with -f what they write, until Ctrl-C",
    args: NAMED,
    options: [
      { name: "follow", short: "f", value: null, doc: "go on with what they write" },
      {
        name: "lines",
        short: "n",
        value: "N|all",
        doc: "the last lines of each stream [100; 10 with -f; all with --since]",
      },
      { name: "since", value: "TIME", doc: "from then on: 10m, 14:30, 2026-01-31T12:00" },
      { name: "times", value: null, doc: "with the time before each line, where it is known" },
    ],
    by: "circusctl",
    command: null,
    examples: ["logs myworker -f", "--all logs myworker --since 10m", "--host web1 logs myworker -n 20 --json"],
  },
  {
    name: "completion",
    summary: "Completion for bash, zsh or fish, to be loaded by that shell",
    args: [{ property: "shell", required: true }],
    options: [],
    by: "circusctl",
    command: null,
    examples: ["completion bash"],
  },
  {
    name: "convert",
    summary: "A supervisord.conf as a circus.ini; what has no counterpart is said on stderr",
    args: [{ property: "file", required: true }],
    options: [],
    by: "circusctl",
    command: null,
    examples: ["convert /etc/supervisor/supervisord.conf > circus.ini"],
  },
  {
    name: "top",
    summary:
      "Watchers with their CPU, memory, age and restarts, on a screen that keeps itself up to date; of the fleet what is wrong first",
    args: [],
    options: [
      { name: "interval", value: "TIME", doc: "between two looks [2s]" },
      { name: "count", value: "N", doc: "so many pictures as plain lines, then end" },
    ],
    by: "circusctl",
    command: null,
    examples: ["top", "top --count 1", "--json top --count 1", "--all top", "--where role=web top"],
  },
];

/** They work on files, and reach no host. */
export function isAboutCredentials({ name }: Verb): boolean {
  return name.startsWith("fleet ");
}

/** By name; agents' verbs first. */
export const VERBS: ReadonlyMap<string, Verb> = new Map(
  [...COMMANDS.values()]
    .flatMap((spec) => (spec.cli === null ? [] : [ofCommand(spec, spec.cli)]))
    .concat(OWN, FLEET)
    .map((verb) => [verb.name, verb]),
);

/** Asked by the completion of shells; no verb, nobody types it. */
export const COMPLETE_WORD = "__complete";

/** First words of the two-word verbs. */
export const TOPICS: ReadonlyMap<string, string> = new Map([
  ["config", "The configuration files of the hosts"],
  ["rollout", "Changes that go over the fleet in waves"],
  ["fleet", "The fleet itself"],
  ["context", "How fleets are reached, by name"],
]);

/** `NAME [PID] SIGNUM`, as it stands in a usage line. */
export function argumentsText(args: readonly CliArgument[]): string {
  return args
    .map(({ property, required, takes }) => {
      const name = takes === undefined ? placeholder(property) : `${placeholder(property).replace(/S$/, "")}…`;
      const text = takes === "pairs" ? "KEY VALUE…" : name;
      return required ? text : `[${text}]`;
    })
    .join(" ");
}

/** One line: `circusctl signal NAME [PID] SIGNUM [--children] [--recursive]`. */
export function usageOf(verb: Verb): string {
  const options = verb.options
    .filter((option) => !FLEET_OPTIONS.includes(option))
    .map(({ name, value }) => `[--${name}${value === null ? "" : ` ${value}`}]`);
  return ["circusctl", verb.name, argumentsText(verb.args), ...options].filter((part) => part !== "").join(" ");
}
