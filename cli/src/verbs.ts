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

/** An option, given as `--name`, `--name=value` or `--name value`. */
export interface OptionSpec {
  /** Without dashes. */
  readonly name: string;
  /** One letter, without its dash. */
  readonly short?: string;
  /** How its value is called in the help; null: it takes none. */
  readonly value: string | null;
  readonly doc: string;
}

export interface Verb {
  /** One word, or two: `rollout list`. */
  readonly name: string;
  readonly summary: string;
  readonly args: readonly CliArgument[];
  readonly options: readonly OptionSpec[];
  /** Who does it: the agent (of one host or many), the fleet's own, or `circusctl` itself. */
  readonly by: "agent" | "fleet" | "circusctl";
  /** The agent's command behind it. */
  readonly command: CommandSpec | null;
  readonly examples: readonly string[];
}

/** Options that stand before or after the verb (design §6). */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { name: "all", value: null, doc: "all hosts of the fleet" },
  { name: "host", value: "A,B", doc: "these hosts of the fleet" },
  {
    name: "where",
    value: "KEY=VALUE",
    doc: "hosts of the fleet with this label, or KEY!=VALUE without (a comma list: all of them)",
  },
  { name: "endpoint", value: "ENDPOINT", doc: "the local agent [env CIRCUSCTL_ENDPOINT, tcp://127.0.0.1:5555]" },
  { name: "timeout", value: "SECONDS", doc: "longest wait for an answer [5]" },
  { name: "json", value: null, doc: "one JSON document instead of text" },
  { name: "prettify", value: null, doc: "the JSON indented, its keys sorted" },
  { name: "ssh", value: "USER@HOST:PORT", doc: "reach the endpoint from there, by ssh" },
  { name: "ssh_keyfile", value: "FILE", doc: "your key for it" },
  { name: "utc", value: null, doc: "times in UTC, given and shown" },
  { name: "context", value: "NAME", doc: "how the fleet is reached, see context add [env CIRCUSCTL_CONTEXT]" },
  { name: "nats", value: "URL", doc: "servers of the fleet, a comma list [env CIRCUSCTL_NATS]" },
  { name: "creds", value: "FILE", doc: "your credentials for the fleet [env CIRCUSCTL_CREDS]" },
  { name: "tls-ca", value: "FILE", doc: "authority of the servers' certificates [env CIRCUSCTL_TLS_CA]" },
  { name: "tls-cert", value: "FILE", doc: "your certificate [env CIRCUSCTL_TLS_CERT]" },
  { name: "tls-key", value: "FILE", doc: "its key [env CIRCUSCTL_TLS_KEY]" },
  { name: "help", value: null, doc: "what a command takes" },
  { name: "version", value: null, doc: "the version" },
];

const AT_ONCE: OptionSpec = { name: "at-once", value: null, doc: "to all chosen hosts together, not in waves" };
/** How a change goes over hosts (design §5). */
const ROLLOUT: readonly OptionSpec[] = [
  { name: "batch", value: "N|P%,…", doc: "hosts in each wave; the last one repeats [25%]" },
  { name: "canary", value: "N", doc: "a first wave of N hosts, then wait for `rollout resume`" },
  { name: "canary-pause", value: "TIME", doc: "go on so long after the canary instead" },
  { name: "max-fail", value: "N|P%", doc: "failed hosts tolerated [0]" },
  {
    name: "min-healthy",
    value: "N|P%",
    doc: "hosts that have to stay healthy; a wave waits for it [all but one wave]",
  },
  { name: "soak", value: "TIME", doc: "a host has to stay healthy that long [10s]" },
  { name: "wait", value: "TIME|ask", doc: "pause between waves, or `rollout resume` for each [0]" },
  { name: "health-timeout", value: "TIME", doc: "longest wait for a host to become healthy [60s]" },
  { name: "deadline", value: "TIME", doc: "for the whole; then nothing new begins" },
  { name: "order", value: "ORDER", doc: "name, reverse or given (as --host names them); the ill first [name]" },
  { name: "spread", value: "LABEL", doc: "never two hosts with one value of it in a wave" },
  { name: "limit", value: "N", doc: "the first N hosts only" },
  { name: "on-lost", value: "skip|fail", doc: "a host that is or goes silent [fail]" },
  { name: "supersede", value: null, doc: "take the place of a rollout of this watcher that has not ended" },
  { name: "detach", value: null, doc: "start it and do not follow" },
  { name: "yes", value: null, doc: "ask no question" },
  { name: "dry-run", value: null, doc: "show the plan only" },
];
const MODE: OptionSpec = { name: "mode", value: "MODE", doc: "restart, or reload: new processes before the old go" };
const DRAIN: OptionSpec = {
  name: "drain",
  value: "TIME",
  doc: "before, each host is taken out of its balancer (hooks.before_drain) for so long, and put back when healthy [0]",
};
const ON_FAIL: OptionSpec = {
  name: "on-fail",
  value: "stop|rollback",
  doc: "rollback: old values where it was changed [stop]",
};

/** Options of agents' verbs that mean something for a fleet only; they belong to the scope, and may stand with it. */
export const FLEET_OPTIONS: readonly OptionSpec[] = [AT_ONCE, ...ROLLOUT, MODE, DRAIN, ON_FAIL];
export const FLEET_ONLY: ReadonlySet<string> = new Set(FLEET_OPTIONS.map(({ name }) => name));
/** Any of these says that a rollout is meant. */
export const ROLLOUT_ONLY: readonly string[] = FLEET_OPTIONS.filter((option) => option !== AT_ONCE).map(
  ({ name }) => name,
);

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

type More = Partial<Pick<Verb, "args" | "options" | "examples">>;

function ofFleet(name: string, summary: string, more: More): Verb {
  return { name, summary, args: [], options: [], examples: [], ...more, by: "fleet", command: null };
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

const FLEET_DIR: OptionSpec = { name: "dir", value: "DIR", doc: "what fleet init made" };

/** They work on files, and reach no host. */
export function isAboutCredentials({ name }: Verb): boolean {
  return name.startsWith("fleet ");
}

const CSV: OptionSpec = { name: "csv", value: null, doc: "comma-separated values, times in UTC" };

function windowOptions(byDefault: string): readonly OptionSpec[] {
  return [
    { name: "since", value: "TIME", doc: `from then on: 1h, 2d, 14:30, 2026-01-31T12:00 [${byDefault}]` },
    { name: "until", value: "TIME", doc: "up to then [now]" },
  ];
}

const FLEET: readonly Verb[] = [
  ofFleet("hosts", "Hosts of the fleet and how they are", { examples: ["hosts", "--host web1,web2 hosts --json"] }),
  ofFleet("history", "What watchers did, or how they were at one moment", {
    args: [{ property: "watcher", required: false }],
    options: [
      ...windowOptions("24h"),
      { name: "at", value: "TIME", doc: "how it was at that moment" },
      { name: "limit", value: "N", doc: "rows at most [500]" },
      CSV,
    ],
    examples: ["--all history myworker --since 1h", "history --host web2 --at 14:30"],
  }),
  ofFleet("events", "What happened, and who asked for it", {
    args: [{ property: "watcher", required: false }],
    options: [
      ...windowOptions("24h"),
      { name: "kind", value: "A,B", doc: "these kinds only, such as process_exited" },
      { name: "actor", value: "NAME", doc: "what this person asked for" },
      { name: "limit", value: "N", doc: "the newest ones [100]" },
      { name: "follow", value: null, doc: "go on with what happens, until Ctrl-C" },
      CSV,
    ],
    examples: ["events --kind watcher_failed --since 7d", "--host web2 events myworker --follow"],
  }),
  ofFleet("uptime", "How much of a time watchers were up: per cent, crashes, longest outage", {
    args: [{ property: "watcher", required: false }],
    options: [...windowOptions("7d"), CSV],
    examples: ["--all uptime myworker --since 30d", "uptime --csv"],
  }),
  ofFleet("rollout list", "Rollouts, the newest first", {
    options: [{ name: "limit", value: "N", doc: "rows at most [20]" }],
  }),
  ofFleet("rollout show", "One rollout: waves, hosts, what became of them", {
    args: [{ property: "id", required: true }],
    options: [{ name: "prove", value: null, doc: "with the pids before and after" }],
  }),
  ofFleet("rollout watch", "Follow a rollout to its end; without an id the newest that has not ended", {
    args: [{ property: "id", required: false }],
  }),
  ofFleet("rollout pause", "Begin nothing new; what is at work goes on to its end", {
    args: [{ property: "id", required: true }],
  }),
  ofFleet("rollout resume", "Go on: after a pause, a canary, a wave that waits for approval", {
    args: [{ property: "id", required: true }],
    options: [
      { name: "skip-failed", value: null, doc: "leave the failed hosts out, also of one that stopped at them" },
    ],
  }),
  ofFleet("rollout abort", "End it; what was not begun stays untouched", {
    args: [{ property: "id", required: true }],
  }),
  ofFleet("rollout retry", "Once more, only what failed or was left", {
    args: [{ property: "id", required: true }],
    options: [{ name: "detach", value: null, doc: "do not follow it" }],
  }),
  ofFleet("fleet init", "Keys, credentials and the nats-server configuration of a new fleet", {
    options: [
      { name: "dir", value: "DIR", doc: "where to write; made, mode 0700" },
      { name: "fleet", value: "NAME", doc: "name of the fleet [main]" },
      { name: "hosts", value: "A,B", doc: "hosts to make credentials for" },
      { name: "operators", value: "A,B", doc: "people who may change things [admin]" },
      { name: "viewers", value: "A,B", doc: "people who may look" },
      { name: "controllers", value: "A,B", doc: "controllers [ctl1]" },
      { name: "listen", value: "HOST:PORT", doc: "of the nats-server [127.0.0.1:4222]" },
      {
        name: "names",
        value: "A,B",
        doc: "names and addresses of the nats-server, for its certificate [this machine]",
      },
      { name: "tls", value: null, doc: "with an authority of the fleet's own (the default beyond loopback)" },
      { name: "no-tls", value: null, doc: "none (the default on loopback)" },
      { name: "insecure", value: null, doc: "listen beyond loopback without TLS all the same" },
    ],
    examples: ["fleet init --dir fleet --hosts web1,web2,web3 --operators admin"],
  }),
  ofFleet("fleet issue", "A credential for one more host or person", {
    options: [
      FLEET_DIR,
      { name: "role", value: "ROLE", doc: "agent (with --host), viewer, operator or controller (with --name)" },
      { name: "name", value: "A,B", doc: "for whom" },
      { name: "out", value: "FILE", doc: "where to write it [DIR/creds/ROLE-NAME.creds]" },
      { name: "replace", value: null, doc: "a new one for who has one already; the old one is revoked" },
    ],
    examples: ["fleet issue --dir fleet --host web4", "fleet issue --dir fleet --role viewer --name eve"],
  }),
  ofFleet("fleet revoke", "Credentials that the broker shall not know any more", {
    args: [{ property: "name", required: true, takes: "rest" }],
    options: [FLEET_DIR],
    examples: ["fleet revoke web4 --dir fleet"],
  }),
  ofFleet("fleet show", "Who belongs to the fleet, and what one of them may do", {
    args: [{ property: "name", required: false }],
    options: [FLEET_DIR],
    examples: ["fleet show --dir fleet", "fleet show eve --dir fleet"],
  }),
];

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
