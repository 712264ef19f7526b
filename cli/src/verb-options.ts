/** Options as data: those of every verb, and those of changes that go over hosts. Pure. */
import type { CliArgument, CommandSpec } from "@circus-cluster/proto";

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

export const AT_ONCE: OptionSpec = { name: "at-once", value: null, doc: "to all chosen hosts together, not in waves" };
/** How a change goes over hosts (design §5). */
export const ROLLOUT: readonly OptionSpec[] = [
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
export const MODE: OptionSpec = {
  name: "mode",
  value: "MODE",
  doc: "restart, or reload: new processes before the old go",
};
export const DRAIN: OptionSpec = {
  name: "drain",
  value: "TIME",
  doc: "before, each host is taken out of its balancer (hooks.before_drain) for so long, and put back when healthy [0]",
};
export const ON_FAIL: OptionSpec = {
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
