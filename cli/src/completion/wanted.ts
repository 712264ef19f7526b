/**
 * What may stand at the cursor, from the words before it: the verb table read the other way round. For the shells'
 * completion and for our own. Pure; names that only a running agent knows are asked for by `complete.ts`.
 */
import { SETTABLE } from "@circus-cluster/proto";
import { isOption, known, type Request } from "../argv.ts";
import { FLEET_ONLY, GLOBAL_OPTIONS, type OptionSpec, TOPICS, VERBS, type Verb } from "../verbs.ts";

export interface Candidate {
  readonly word: string;
  readonly doc: string;
}

/** What a running agent has to be asked for. */
export type Live =
  | { readonly kind: "watchers" }
  | { readonly kind: "pids"; readonly watcher: string }
  /** Names of all its options. */
  | { readonly kind: "keys"; readonly watcher: string };

export interface Wanted {
  readonly candidates: readonly Candidate[];
  readonly live: readonly Live[];
  /** A path: the shell knows better. */
  readonly isFile: boolean;
  /** Of the line so far: they say which agent is meant. */
  readonly options: Request["options"];
}

type Offer = Pick<Wanted, "candidates" | "live" | "isFile">;

const NOTHING: Offer = { candidates: [], live: [], isFile: false };
const FILE: Offer = { ...NOTHING, isFile: true };

const SIGNALS = "TERM HUP INT QUIT KILL USR1 USR2 CONT STOP WINCH".split(" ");
/** Names of `globaloptions` (reference §5.6). */
const GLOBALS = ["check_delay", "endpoint", "multicast_endpoint", "pubsub_endpoint", "stats_endpoint"];
export const SHELLS = ["bash", "zsh", "fish"] as const;
const FILE_OPTIONS: ReadonlySet<string> = new Set(["creds", "tls-ca", "tls-cert", "tls-key", "ssh_keyfile", "dir"]);

function words(some: readonly string[]): Offer {
  return { ...NOTHING, candidates: some.map((word) => ({ word, doc: "" })) };
}

function live(...some: readonly Live[]): Offer {
  return { ...NOTHING, live: some };
}

function both(a: Offer, b: Offer): Offer {
  return {
    candidates: [...a.candidates, ...b.candidates],
    live: [...a.live, ...b.live],
    isFile: a.isFile || b.isFile,
  };
}

/** First words: verbs, topics, `help`. */
export function firstWords(): readonly Candidate[] {
  const verbs = [...VERBS.values()].filter(({ name }) => !name.includes(" "));
  return [
    ...verbs.map(({ name, summary }) => ({ word: name, doc: summary })),
    ...[...TOPICS].map(([word, doc]) => ({ word, doc })),
    { word: "help", doc: "What a command takes" },
  ];
}

function secondWords(topic: string): Offer {
  const verbs = [...VERBS.values()].filter(({ name }) => name.startsWith(`${topic} `));
  return {
    ...NOTHING,
    candidates: verbs.map(({ name, summary }) => ({ word: name.slice(topic.length + 1), doc: summary })),
  };
}

/** What an agent's verb takes for a fleet only is offered once hosts are chosen: it would be refused before. */
function optionNames(verb: Verb | null, options: Request["options"]): Offer {
  const hasScope = ["all", "host", "where"].some((name) => options[name] !== undefined);
  const isMeant = ({ name }: OptionSpec): boolean =>
    hasScope || (verb?.command ?? null) === null || !FLEET_ONLY.has(name);
  const some = (verb === null ? GLOBAL_OPTIONS : known(verb)).filter(isMeant);
  return { ...NOTHING, candidates: some.map(({ name, doc }) => ({ word: `--${name}`, doc })) };
}

function optionValue({ name }: OptionSpec): Offer {
  if (FILE_OPTIONS.has(name)) return FILE;
  if (name === "match") return words(["glob", "regex", "simple"]);
  return name === "signum" ? words(SIGNALS) : NOTHING;
}

function settingAt(given: readonly string[], at: number): Offer {
  if (at % 2 === 0) return words(Object.keys(SETTABLE).filter((key) => SETTABLE[key] !== "env"));
  const key = given.at(-1) ?? "";
  if (key === "stop_signal") return words(SIGNALS);
  return SETTABLE[key] === "boolean" ? words(["true", "false"]) : NOTHING;
}

/** What the argument at `place` of the verb's may be, when `given` stand before it. */
function argumentValue(verb: Verb, property: string, place: number, given: readonly string[]): Offer {
  const [watcher = ""] = given;
  switch (property) {
    case "name":
    case "watcher":
      return verb.name === "add" ? NOTHING : live({ kind: "watchers" });
    case "pid":
    case "process":
      return live({ kind: "pids", watcher });
    case "signum":
      return words(SIGNALS);
    case "keys":
      return live({ kind: "keys", watcher });
    case "options":
      return settingAt(given, given.length - place);
    case "option":
      return words(GLOBALS);
    case "shell":
      return words(SHELLS);
    case "file":
      return FILE;
    default:
      return NOTHING;
  }
}

/** Optional arguments in the middle may be left out: `signal web TERM`, `signal web 12 TERM`. */
function positional(verb: Verb, given: readonly string[]): Offer {
  const at = given.length;
  let offer = NOTHING;
  for (const [place, { property, takes }] of verb.args.entries()) {
    const least = verb.args.slice(0, place).filter(({ required }) => required).length;
    const isHere = takes === undefined ? least <= at && at <= place : at >= place;
    if (isHere) offer = both(offer, argumentValue(verb, property, place, given));
  }
  return offer;
}

/** @param line the words behind the program's name; the last, perhaps empty, is the one at the cursor. */
export function wantedAt(line: readonly string[]): Wanted {
  const before = line.slice(0, -1);
  const current = line.at(-1) ?? "";
  const given: string[] = [];
  const options: Record<string, string | true> = {};
  let verb: Verb | null = null;
  let open: OptionSpec | null = null;
  let onlyWords = false;
  for (const token of before) {
    if (open !== null) {
      options[open.name] = token;
      open = null;
    } else if (!onlyWords && token === "--") onlyWords = true;
    else if (!onlyWords && isOption(token)) {
      const [, name = "", inline] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(token) ?? [];
      const option = known(verb).find((candidate) => candidate.name === name);
      if (option === undefined) continue;
      if (option.value === null) options[name] = true;
      else if (inline === undefined) open = option;
      else options[name] = inline;
    } else {
      given.push(token);
      const found: Verb | undefined = verb === null ? VERBS.get(given.join(" ")) : undefined;
      if (found !== undefined) {
        verb = found;
        given.length = 0;
      }
    }
  }
  return { ...offerAt(verb, given, open, onlyWords, current, options), options };
}

function offerAt(
  verb: Verb | null,
  given: readonly string[],
  open: OptionSpec | null,
  onlyWords: boolean,
  current: string,
  options: Request["options"],
): Offer {
  if (open !== null) return optionValue(open);
  if (!onlyWords && current.startsWith("-")) return optionNames(verb, options);
  if (verb !== null) return positional(verb, given);
  const [first, second] = given;
  if (first === undefined) return { ...NOTHING, candidates: firstWords() };
  if (first === "help" && second === undefined) return { ...NOTHING, candidates: firstWords() };
  return TOPICS.has(first) && second === undefined ? secondWords(first) : NOTHING;
}
