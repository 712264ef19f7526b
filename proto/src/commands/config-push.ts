/**
 * The configuration file of a host, looked at and replaced from afar. A new file is *staged* first: the agent checks it as
 * `circusd --check` does and keeps it; what goes over the fleet after that is its hash alone. So a file, which may hold
 * secrets, is never in a rollout, an event or the database, and nothing changes anywhere before all hosts have said yes.
 */
import { type Schema, v } from "../schema.ts";
import type { Millis } from "../time.ts";
import type { CommandSpec, PropertySpec } from "./spec.ts";

/** Of a file that is pushed or looked at: two of them, and what JSON adds, fit into one message. */
export const CONFIG_BYTES_MAX = 256 * 1024;
/** Of a hash, as people read and type it. */
export const HASH_SHOWN = 12;

/** One file that was put in place by a push or a rollback. */
export interface ConfigEntry {
  readonly time: Millis;
  /** Who asked the agent: a controller, in a rollout. */
  readonly actor: string | null;
  /** Id of the command: `rollout/host/attempt`. */
  readonly cause: string | null;
  /** Of what was pushed, the same on all hosts; null: it is a file of before the first push. */
  readonly version: string | null;
  /** Of the whole file, with the host's own `[fleet]`. */
  readonly file: string;
  /** Of the file that it took the place of. */
  readonly base: string;
}

/** Of `config-show`. */
export interface ConfigLook {
  readonly path: string;
  /** Hash of the file as it is now. */
  readonly file: string;
  /** What was pushed last and is still so; null: nothing was, or the file is another one by now. */
  readonly version: string | null;
  /** Hash of the file that this one took the place of, while it is kept; null: there is none. */
  readonly previous: string | null;
  /** The file is not the one that the last push left there. */
  readonly edited: boolean;
  /** Oldest first. */
  readonly entries: readonly ConfigEntry[];
  /** Absent where only a look was asked for. */
  readonly text?: string | undefined;
}

/** What the file would do to the agent that runs: names of watchers and sockets, keys of `[circus]`. */
export interface ConfigEffects {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** With new processes; `changed`: in place. */
  readonly renewed: readonly string[];
  readonly changed: readonly string[];
  readonly sockets: readonly string[];
  /** Only after a restart of circusd. */
  readonly deferred: readonly string[];
}

/** Of `config-check`. */
export interface ConfigCheck extends ConfigLook {
  readonly text: string;
  /** The file as it would be. Where the host keeps its own `[fleet]`, that is neither in this nor in `text`. */
  readonly next: string;
  /** Why it cannot be put there, a line each: `circus.ini:12: …`. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** Null: it has problems. */
  readonly effects: ConfigEffects | null;
}

const text: PropertySpec = { type: "string", required: true, isSecret: true, doc: "the file" };
const version: PropertySpec = { type: "string", doc: "hash of what was pushed" };
const force: PropertySpec = { type: "boolean", default: false, doc: "also over a file that was edited by hand" };
const identity: PropertySpec = {
  type: "boolean",
  default: false,
  doc: "also where [fleet], endpoint or state_dir become others",
};
const shape = { queue: "none", cli: null, doors: ["nats"], isBroadcast: false } as const;

export const CONFIG_PUSH: readonly CommandSpec[] = [
  {
    ...shape,
    name: "config-show",
    summary: "The configuration file of the agent, and what was pushed there",
    access: "read",
    properties: {
      brief: { type: "boolean", default: false, doc: "without the text" },
      file: { type: "string", doc: "one that is kept, instead of the present one: the beginning of a hash" },
    },
  },
  {
    ...shape,
    name: "config-check",
    summary: "What is wrong with a configuration file on this host, and what it would do",
    access: "read",
    properties: { text, force, identity },
  },
  {
    ...shape,
    name: "config-stage",
    summary: "Check a configuration file and keep it, to be put in place later",
    access: "write",
    properties: {
      text,
      version: { ...version, required: true },
      base: { type: "string", required: true, doc: "hash of the file that it is to take the place of" },
      force,
      identity,
    },
  },
  {
    ...shape,
    name: "config-apply",
    summary: "Put a staged or kept configuration file in place and do what has changed in it",
    access: "write",
    queue: "arbiter",
    properties: {
      version,
      file: { type: "string", doc: "hash of a kept file to come back to, instead of a version" },
      from: { type: "string", doc: "version that has to be there" },
      waiting: { type: "boolean", default: false, doc: "answer when it is done" },
    },
  },
];

/** What a rollout of the command `config` carries: a version to go to, or one to come back from. */
export type ConfigMove = { readonly version: string } | { readonly from: string };

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is no hash"));
const strings = v.array(v.string());

export const configMove: Schema<ConfigMove> = v.union([
  v.strictObject({ version: hash }),
  v.strictObject({ from: hash }),
]);

export const configEntry: Schema<ConfigEntry> = v.looseObject({
  time: v.number(),
  actor: v.nullable(v.string()),
  cause: v.nullable(v.string()),
  version: v.nullable(hash),
  file: hash,
  base: hash,
});

const look = {
  path: v.string(),
  file: hash,
  version: v.nullable(hash),
  previous: v.nullable(hash),
  edited: v.boolean(),
  entries: v.array(configEntry),
};
export const configLook: Schema<ConfigLook> = v.looseObject({ ...look, text: v.optional(v.string()) });
export const configCheck: Schema<ConfigCheck> = v.looseObject({
  ...look,
  text: v.string(),
  next: v.string(),
  problems: strings,
  warnings: strings,
  effects: v.nullable(
    v.looseObject({
      ...{ added: strings, removed: strings, renewed: strings, changed: strings },
      ...{ sockets: strings, deferred: strings },
    }),
  ),
});

/** Twelve characters of a hash, as git shows them. */
export function shortHash(text: string): string {
  return text.slice(0, HASH_SHOWN);
}
