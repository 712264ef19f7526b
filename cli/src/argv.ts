/**
 * The command line as data: global options stand before or after the verb, which oclif cannot do by itself,
 * so everything passes through here first (design §6). Pure; knows words, not what they mean.
 */
import { nearest } from "@circus-cluster/proto";
import { FLEET_OPTIONS, GLOBAL_OPTIONS, type OptionSpec, TOPICS, VERBS, type Verb } from "./verbs.ts";

/** What one call asks for: both ways into `run` end in this. */
export interface Request {
  /** A name in {@link VERBS}. */
  readonly verb: string;
  /** Positional words behind the verb. */
  readonly words: readonly string[];
  /** Options by name without dashes, the global ones too; true where it takes no value. */
  readonly options: Readonly<Record<string, string | true>>;
}

export type CommandLine =
  | { readonly kind: "run"; readonly request: Request }
  /** `words`: what help is asked about, perhaps nothing. */
  | { readonly kind: "help"; readonly words: readonly string[] }
  | { readonly kind: "version" }
  /** No command: they are read from stdin, each with these options. */
  | { readonly kind: "shell"; readonly options: Request["options"] }
  /** A mistake, as one line. */
  | { readonly kind: "usage"; readonly reason: string };

/** Long options may be cut short where that is clear, as the Python program's may. */
function findOption(name: string, known: readonly OptionSpec[]): OptionSpec | string {
  const exact = known.find((option) => option.name === name);
  if (exact !== undefined) return exact;
  const begun = name === "" ? [] : known.filter((option) => option.name.startsWith(name));
  const [only] = begun;
  if (only !== undefined && begun.length === 1) return only;
  if (begun.length > 1) {
    return `--${name} is ambiguous: ${begun.map((option) => `--${option.name}`).join(", ")}`;
  }
  const near = nearest(
    name,
    known.map((option) => option.name),
  );
  return `unknown option --${name}${near === null ? "" : `; did you mean --${near}?`}`;
}

export function isOption(token: string): boolean {
  return token.startsWith("-") && token !== "-" && !/^-\d/.test(token);
}

/** The verb that these words begin with, or why there is none; undefined while a second word is awaited. */
function verbOf(words: readonly string[]): Verb | string | undefined {
  const [first = "", second] = words;
  const one = VERBS.get(first);
  if (one !== undefined) return one;
  if (TOPICS.has(first)) {
    if (second === undefined) return undefined;
    const two = VERBS.get(`${first} ${second}`);
    if (two !== undefined) return two;
  }
  const typed = second === undefined ? first : `${first} ${second}`;
  const near = nearest(typed, [...VERBS.keys()]) ?? nearest(first, [...VERBS.keys(), ...TOPICS.keys()]);
  return `unknown command '${typed}'${near === null ? "" : `; did you mean '${near}'?`}`;
}

/**
 * Reads the words behind the program's name. The first that is no option is the verb (or the first two:
 * `rollout list`); a watcher may be called like a verb. Behind `--` nothing is an option.
 */
export function readArgv(argv: readonly string[]): CommandLine {
  const words: string[] = [];
  const options: Record<string, string | true> = {};
  let verb: Verb | null = null;
  let isHelp = false;
  let onlyWords = false;
  const isFleet = argv.some((token) => SCOPE.test(token));
  const takeWord = (word: string): string | null => {
    words.push(word);
    if (verb !== null || words[0] === "help") return null;
    const found = verbOf(words);
    if (found === undefined) return null;
    if (typeof found === "string") return found;
    verb = found;
    words.length = 0;
    return null;
  };
  for (let i = 0; i < argv.length; i++) {
    const token = argv[i] ?? "";
    if (onlyWords || !isOption(token)) {
      const reason = takeWord(token);
      if (reason !== null) return isHelp ? { kind: "help", words } : { kind: "usage", reason };
      continue;
    }
    if (token === "--") {
      onlyWords = true;
      continue;
    }
    if (token === "-h") {
      isHelp = true;
      continue;
    }
    const [, name = "", inline] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(longForm(token, verb)) ?? [];
    if (name === "") return { kind: "usage", reason: `unknown option ${token}` };
    const option = findOption(name, isFleet ? known(verb) : known(verb).filter((one) => one !== WAIT));
    if (typeof option === "string") return { kind: "usage", reason: option };
    if (option.name === "version") return { kind: "version" };
    if (option.name === "help") {
      isHelp = true;
      continue;
    }
    if (option.value === null) {
      if (inline !== undefined) return { kind: "usage", reason: `--${option.name} takes no value` };
      options[option.name] = true;
      continue;
    }
    const value = inline ?? argv[++i];
    if (value === undefined) return { kind: "usage", reason: `--${option.name} needs a value: ${option.value}` };
    options[option.name] = value;
  }
  return ending(verb, words, options, isHelp);
}

/** Where no fleet is meant, `--wait` is short for `--waiting`, as it was before there were waves to wait between. */
const WAIT = FLEET_OPTIONS.find(({ name }) => name === "wait");
const SCOPE = /^--(?:all|host|where)(?:=|$)/;

/** The options that may stand behind this verb; before any, those of fleets too. */
export function known(verb: Verb | null): readonly OptionSpec[] {
  return [...GLOBAL_OPTIONS, ...(verb === null ? FLEET_OPTIONS : verb.options)];
}

/** `-n` as `--lines`, `-n20` as `--lines=20`; anything else as it is. */
function longForm(token: string, verb: Verb | null): string {
  const [, letter, value = ""] = /^-([A-Za-z])(.*)$/s.exec(token) ?? [];
  const option = known(verb).find(({ short }) => short === letter);
  if (letter === undefined || option === undefined || (value !== "" && option.value === null)) return token;
  return value === "" ? `--${option.name}` : `--${option.name}=${value.replace(/^=/, "")}`;
}

function ending(verb: Verb | null, words: string[], options: Request["options"], isHelp: boolean): CommandLine {
  if (verb !== null) {
    if (isHelp) return { kind: "help", words: verb.name.split(" ") };
    const odd = Object.keys(options).find((name) => !known(verb).some((option) => option.name === name));
    if (odd !== undefined) return { kind: "usage", reason: `${verb.name} takes no --${odd}` };
    return { kind: "run", request: { verb: verb.name, words, options } };
  }
  if (words[0] === "help") return { kind: "help", words: words.slice(1) };
  if (isHelp) return { kind: "help", words };
  const [topic] = words;
  if (topic === undefined) {
    const odd = Object.keys(options).find((name) => !GLOBAL_OPTIONS.some((option) => option.name === name));
    return odd === undefined ? { kind: "shell", options } : { kind: "usage", reason: `--${odd} needs a command` };
  }
  const names = [...VERBS.keys()].filter((name) => name.startsWith(`${topic} `));
  return { kind: "usage", reason: `${topic} needs a further word: ${names.join(", ")}` };
}

/** The same call as oclif reads it: the command's id, its options, then the words where none can be an option. */
export function toOclif({ verb, words, options }: Request): string[] {
  const flags = Object.entries(options).map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`));
  return [verb.replaceAll(" ", ":"), ...flags, "--", ...words];
}
