/** Commands that change something (reference §5.6). */
import type { CliFlag, CommandSpec, PropertySpec } from "./spec.ts";

const name: PropertySpec = { type: "string", required: true, doc: "name of the watcher" };
const maybeName: PropertySpec = { type: "string", doc: "name of the watcher or pattern; all of them without it" };
const waiting: PropertySpec = { type: "boolean", default: false, doc: "answer when it is done" };
const match: PropertySpec = {
  type: "string",
  default: "glob",
  doc: "how `name` is matched: glob, regex or simple",
};
/** Only on the fleet's door: done if every process is newer than this already (design §5). */
const newerThan: PropertySpec = { type: "integer", doc: "generation that every process has to be newer than" };
const nb: PropertySpec = { type: "integer", default: 1, doc: "how many" };

const WAITING: CliFlag = { flag: "--waiting", property: "waiting", sets: true, doc: "answer when it is done" };
const MATCH: CliFlag = { flag: "--match", property: "match", sets: null, doc: "glob (default), regex or simple" };
const NAME = { property: "name", required: true } as const;
const MAYBE_NAME = { property: "name", required: false } as const;

const write = { access: "write", queue: "watcher", doors: ["zmq", "nats"], isBroadcast: false } as const;

export const CONTROL: readonly CommandSpec[] = [
  {
    ...write,
    name: "start",
    summary: "Start watchers",
    properties: {
      name: maybeName,
      match,
      waiting,
      unless_stopped: { type: "boolean", default: false, doc: "leave the one watcher alone that was stopped by hand" },
    },
    cli: { args: [MAYBE_NAME], flags: [MATCH, WAITING] },
  },
  {
    ...write,
    name: "stop",
    summary: "Stop watchers; they stay stopped until somebody starts them",
    properties: {
      name: maybeName,
      match,
      waiting,
      reason: { type: "string", doc: "why, for whoever finds it stopped" },
      for_now: { type: "boolean", default: false, doc: "the next agent starts it again" },
    },
    cli: {
      args: [MAYBE_NAME],
      flags: [
        MATCH,
        WAITING,
        { flag: "--reason", property: "reason", sets: null, doc: "why, for whoever looks later" },
      ],
    },
  },
  {
    ...write,
    name: "restart",
    summary: "Stop watchers and start them again",
    properties: { name: maybeName, match, waiting, newer_than: newerThan },
    cli: { args: [MAYBE_NAME], flags: [MATCH, WAITING] },
  },
  {
    ...write,
    name: "reload",
    summary: "New processes before the old ones go",
    properties: {
      name: maybeName,
      graceful: { type: "boolean", default: true, doc: "new ones first" },
      sequential: { type: "boolean", default: false, doc: "one process after another" },
      waiting,
      newer_than: newerThan,
    },
    cli: {
      args: [MAYBE_NAME],
      flags: [
        { flag: "--terminate", property: "graceful", sets: false, doc: "like restart" },
        { flag: "--sequential", property: "sequential", sets: true, doc: "one process after another" },
        WAITING,
      ],
    },
  },
  {
    ...write,
    name: "drain",
    summary: "Call hooks.before_drain: take the watcher of this host out of its balancer",
    queue: "none",
    properties: { name, waiting },
    cli: { args: [NAME], flags: [WAITING] },
  },
  {
    ...write,
    name: "undrain",
    summary: "Call hooks.after_undrain: put it back",
    queue: "none",
    properties: { name, waiting },
    cli: { args: [NAME], flags: [WAITING] },
  },
  {
    ...write,
    name: "incr",
    summary: "More processes",
    properties: { name, nb, waiting },
    cli: { args: [NAME, { property: "nb", required: false }], flags: [WAITING] },
  },
  {
    ...write,
    name: "decr",
    summary: "Fewer processes",
    properties: { name, nb, waiting },
    cli: { args: [NAME, { property: "nb", required: false }], flags: [WAITING] },
  },
  {
    ...write,
    name: "set",
    summary: "Change options of a watcher",
    properties: { name, options: { type: "object", required: true, doc: "option → value" }, waiting },
    cli: { args: [NAME, { property: "options", required: true, takes: "pairs" }], flags: [WAITING] },
  },
  {
    ...write,
    name: "signal",
    summary: "Send a signal to processes",
    queue: "none",
    properties: {
      name,
      pid: { type: "integer", doc: "one pid of the watcher" },
      signum: { type: "signal", required: true, doc: "number or name" },
      children: { type: "boolean", default: false, doc: "to direct children only" },
      recursive: { type: "boolean", default: false, doc: "to the process and all descendants" },
      childpid: { type: "integer", doc: "one direct child of pid" },
      child_pid: { type: "integer", doc: "one direct child, of any process without pid" },
    },
    cli: {
      args: [NAME, { property: "pid", required: false }, { property: "signum", required: true }],
      flags: [
        { flag: "--children", property: "children", sets: true, doc: "to direct children only" },
        { flag: "--recursive", property: "recursive", sets: true, doc: "to the process and all descendants" },
      ],
    },
  },
  {
    ...write,
    name: "kill",
    summary: "Signal processes, then kill what does not go",
    queue: "none",
    properties: {
      name,
      pid: { type: "integer", doc: "one pid of the watcher" },
      signum: { type: "signal", doc: "number or name; the watcher's stop_signal without it" },
      graceful_timeout: { type: "number", doc: "seconds before SIGKILL" },
      waiting,
    },
    cli: {
      args: [NAME, { property: "pid", required: false }],
      flags: [
        { flag: "--signum", property: "signum", sets: null, doc: "number or name" },
        { flag: "--graceful_timeout", property: "graceful_timeout", sets: null, doc: "seconds before SIGKILL" },
        WAITING,
      ],
    },
  },
  {
    ...write,
    name: "add",
    summary: "Add a watcher; a reloadconfig removes it again where the file lacks it",
    properties: {
      name: { type: "string", required: true, doc: "name of the new watcher" },
      cmd: { type: "string", required: true, doc: "command, split as a shell does" },
      args: { type: "any", doc: "further arguments: a string, split in the same way, or a list" },
      options: { type: "object", doc: "option → value, as for set" },
      start: { type: "boolean", default: false, doc: "start it at once" },
      waiting,
    },
    cli: {
      args: [NAME, { property: "cmd", required: true, takes: "line" }],
      flags: [{ flag: "--start", property: "start", sets: true, doc: "start it at once" }, WAITING],
    },
  },
  {
    ...write,
    name: "rm",
    summary: "Stop a watcher and forget it",
    properties: {
      name,
      nostop: { type: "boolean", default: false, doc: "leave its processes running, managed by nobody" },
      waiting,
    },
    cli: {
      args: [NAME],
      flags: [
        { flag: "--nostop", property: "nostop", sets: true, doc: "leave its processes running, managed by nobody" },
        WAITING,
      ],
    },
  },
  {
    ...write,
    name: "reloadconfig",
    summary: "Read the configuration file again and do what has changed in it",
    queue: "arbiter",
    properties: { waiting },
    cli: { args: [], flags: [WAITING] },
  },
  {
    ...write,
    name: "quit",
    summary: "Stop everything and leave",
    queue: "arbiter",
    properties: {
      keep_workers: { type: "boolean", default: false, doc: "leave the workers running, for the next circusd" },
      waiting,
    },
    cli: {
      args: [],
      flags: [
        {
          ...{ flag: "--keep-workers", property: "keep_workers", sets: true },
          doc: "leave the workers running, for the next circusd to adopt",
        },
        WAITING,
      ],
    },
    doors: ["zmq"],
  },
];
