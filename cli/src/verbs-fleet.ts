/** The verbs of the fleet itself, as data. Pure. */
import type { CliArgument } from "@circus-cluster/proto";
import { AT_ONCE, ON_FAIL, type OptionSpec, ROLLOUT, type Verb } from "./verb-options.ts";

export type More = Partial<Pick<Verb, "args" | "options" | "examples">>;

function ofFleet(name: string, summary: string, more: More): Verb {
  return { name, summary, args: [], options: [], examples: [], ...more, by: "fleet", command: null };
}

const FILE: readonly CliArgument[] = [{ property: "file", required: true }];
const FORCE: OptionSpec = {
  name: "force",
  value: null,
  doc: "also over a file that was edited by hand since the last push",
};
const ALLOW_IDENTITY: OptionSpec = {
  name: "allow-identity",
  value: null,
  doc: "also where [fleet], endpoint or state_dir become others, so that hosts may be lost to the fleet",
};

const FLEET_DIR: OptionSpec = { name: "dir", value: "DIR", doc: "what fleet init made" };

const CSV: OptionSpec = { name: "csv", value: null, doc: "comma-separated values, times in UTC" };

function windowOptions(byDefault: string): readonly OptionSpec[] {
  return [
    { name: "since", value: "TIME", doc: `from then on: 1h, 2d, 14:30, 2026-01-31T12:00 [${byDefault}]` },
    { name: "until", value: "TIME", doc: "up to then [now]" },
  ];
}

export const FLEET: readonly Verb[] = [
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
  ofFleet("usage", "CPU and memory over time: of each watcher, or of one on each host", {
    args: [{ property: "watcher", required: false }],
    options: [...windowOptions("24h"), { name: "limit", value: "N", doc: "rows at most, those that use most [50]" }],
    examples: ["--all usage", "--where role=web usage myworker --since 7d"],
  }),
  ofFleet(
    "config diff",
    "What a configuration file would change on each host; hosts with the same difference are shown together",
    {
      args: FILE,
      options: [ALLOW_IDENTITY],
      examples: ["--where role=web config diff web.ini", "--all config diff circus.ini --json"],
    },
  ),
  ofFleet(
    "config push",
    "Put a configuration file in place on many hosts, in waves; every host checks it before any is changed",
    {
      args: FILE,
      options: [FORCE, ALLOW_IDENTITY, AT_ONCE, ...ROLLOUT, ON_FAIL],
      examples: [
        "--where role=web config push web.ini --canary 1 --on-fail rollback",
        "--all config push web.ini --dry-run",
      ],
    },
  ),
  ofFleet(
    "config rollback",
    "Back to what was there before a push, on the hosts that have it; without an id, before the newest",
    {
      args: [{ property: "id", required: false }],
      options: [AT_ONCE, ...ROLLOUT, ON_FAIL],
      examples: ["--all config rollback", "--host web1 config rollback ID"],
    },
  ),
  ofFleet("config show", "The configuration file of each host", {
    options: [{ name: "kept", value: "HASH", doc: "a former one that is kept there, as history names it" }],
    examples: ["--host web1 config show > web1.ini"],
  }),
  ofFleet("config history", "What was put in place, when and by whom", { examples: ["--all config history"] }),
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
