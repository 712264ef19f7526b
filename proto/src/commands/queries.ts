/** Commands that read (reference §5.6). */
import type { CommandSpec, PropertySpec } from "./spec.ts";

const name: PropertySpec = { type: "string", required: true, doc: "name of the watcher" };
const maybeName: PropertySpec = { type: "string", doc: "name of the watcher; all of them without it" };
const read = { access: "read", queue: "none", doors: ["zmq", "nats"], isBroadcast: true } as const;
const NAME = { property: "name", required: true } as const;
const MAYBE_NAME = { property: "name", required: false } as const;

export const QUERIES: readonly CommandSpec[] = [
  {
    ...read,
    name: "status",
    summary: "Status of one watcher or of all",
    properties: { name: maybeName },
    cli: { args: [MAYBE_NAME], flags: [] },
  },
  {
    ...read,
    name: "list",
    summary: "Names of the watchers, or pids of one",
    properties: { name: maybeName },
    cli: { args: [MAYBE_NAME], flags: [] },
  },
  {
    ...read,
    name: "numprocesses",
    summary: "Number of processes of one watcher or of all",
    properties: { name: maybeName },
    cli: { args: [MAYBE_NAME], flags: [] },
  },
  { ...read, name: "numwatchers", summary: "Number of watchers", properties: {}, cli: { args: [], flags: [] } },
  {
    ...read,
    name: "stats",
    summary: "CPU, memory and age of processes",
    properties: {
      name: maybeName,
      process: { type: "integer", doc: "one pid of the watcher" },
      extended: { type: "boolean", default: false, doc: "with the extended_stats hook" },
    },
    cli: {
      args: [MAYBE_NAME, { property: "process", required: false }],
      flags: [{ flag: "--extended", property: "extended", sets: true, doc: "with the extended_stats hook" }],
    },
  },
  {
    ...read,
    name: "dstats",
    summary: "CPU, memory and age of the agent itself",
    properties: {},
    cli: { args: [], flags: [] },
  },
  {
    ...read,
    name: "options",
    summary: "All options of a watcher",
    properties: { name },
    cli: { args: [NAME], flags: [] },
  },
  {
    ...read,
    name: "get",
    summary: "Named options of a watcher",
    properties: { name, keys: { type: "strings", required: true, doc: "names of options" } },
    cli: { args: [NAME, { property: "keys", required: true, takes: "rest" }], flags: [] },
  },
  {
    ...read,
    name: "globaloptions",
    summary: "Options of the agent",
    properties: { option: { type: "string", doc: "one of them" } },
    cli: { args: [{ property: "option", required: false }], flags: [] },
  },
  {
    ...read,
    name: "listsockets",
    summary: "Listening sockets of the agent",
    properties: {},
    cli: { args: [], flags: [] },
  },
  {
    ...read,
    name: "ipython",
    summary: "A Python shell inside the daemon; there is none in this one",
    properties: {},
    cli: { args: [], flags: [] },
    doors: ["zmq"],
    isBroadcast: false,
  },
  {
    ...read,
    name: "listen",
    summary: "Events as they come",
    properties: {},
    cli: null, // circusctl listens on the event socket instead
    doors: ["zmq"],
    isBroadcast: false,
  },
  {
    ...read,
    name: "snapshot",
    summary: "Watchers with the health of their processes and what keeps them from running",
    properties: {},
    cli: null,
    doors: ["zmq", "nats"],
  },
];
