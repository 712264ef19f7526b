/** Words and options of a verb as the properties of its command (reference §5.6, column "CLI"). Pure. */
import { type CliArgument, type CommandSpec, isCircusError, optionFromText, parseSignal } from "@circus-cluster/proto";
import type { Request } from "./argv.ts";
import { usageOf, type Verb } from "./verbs.ts";

/** Further words that the Python program ignores; `quit` is none of them, since `quit web` means something else. */
const IGNORES_MORE: ReadonlySet<string> = new Set(["stop", "options", "incr", "decr", "globaloptions", "listsockets"]);

/** A mistake in the words of a command: exit 1, as everything that fails before it is sent (reference §5.7). */
export class WordsError extends Error {
  constructor(verb: Verb, reason: string) {
    super(`${verb.name}: ${reason}; usage: ${usageOf(verb)}`);
    this.name = "WordsError";
  }
}

/**
 * Gives each argument its word: all required ones first, then the optional ones from the left, so that
 * `signal web TERM` and `signal web 12 TERM` both read as `NAME [PID] SIGNUM`.
 *
 * @throws WordsError
 */
export function assignWords(verb: Verb, words: readonly string[]): ReadonlyMap<CliArgument, readonly string[]> {
  const assigned = new Map<CliArgument, readonly string[]>();
  const needed = verb.args.filter((arg) => arg.required).length;
  let spare = words.length - needed;
  let at = 0;
  for (const arg of verb.args) {
    if (arg.takes !== undefined) {
      if (at >= words.length) break;
      assigned.set(arg, words.slice(at));
      at = words.length;
    } else if (arg.required || spare > 0) {
      const word = words[at];
      if (word === undefined) break;
      if (!arg.required) spare--;
      assigned.set(arg, [word]);
      at++;
    }
  }
  const missing = verb.args.find((arg) => arg.required && !assigned.has(arg));
  if (missing !== undefined) throw new WordsError(verb, `${missing.property.toUpperCase()} is missing`);
  if (at < words.length && !IGNORES_MORE.has(verb.name)) {
    throw new WordsError(verb, `${JSON.stringify(words[at])} is too much`);
  }
  return assigned;
}

function pairs(verb: Verb, words: readonly string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (let i = 0; i < words.length; i += 2) {
    const key = (words[i] ?? "").toLowerCase();
    const text = words[i + 1];
    if (text === undefined) throw new WordsError(verb, `${key} has no value`);
    const signum = key === "stop_signal" ? parseSignal(text) : null;
    options[key] = signum ?? optionFromText(key, text);
  }
  return options;
}

function converted(verb: Verb, command: CommandSpec, property: string, text: string): unknown {
  const type = command.properties[property]?.type;
  if (type !== "integer" && type !== "number") return text;
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (type === "integer" ? Number.isSafeInteger(number) : Number.isFinite(number)) return number;
  throw new WordsError(
    verb,
    `${property.toUpperCase()} ${JSON.stringify(text)} is no ${type === "integer" ? "whole number" : "number"}`,
  );
}

/**
 * What is sent: only what was given, the agent knows the defaults.
 *
 * @throws WordsError, or CircusError `message` for a value of `set` (exit 1 both).
 */
export function propertiesOf(verb: Verb, command: CommandSpec, request: Request): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const [{ property, takes }, words] of assignWords(verb, request.words)) {
    const [first = ""] = words;
    if (takes === "pairs") properties[property] = pairs(verb, words);
    else if (takes === "line") properties[property] = words.join(" ");
    else properties[property] = takes === "rest" ? words : converted(verb, command, property, first);
  }
  for (const { flag, property, sets } of command.cli?.flags ?? []) {
    const given = request.options[flag.replace(/^--/, "")];
    if (given === undefined) continue;
    properties[property] = given === true ? sets : converted(verb, command, property, given);
  }
  return properties;
}

/** Is it a mistake of the user that these functions report? By name, as {@link isCircusError} does. */
export function isWordsError(error: unknown): error is Error {
  return isCircusError(error) || (error instanceof Error && error.name === "WordsError");
}
