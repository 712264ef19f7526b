/** Options that `set` takes and their types on the wire (reference §5.6, "set"). */
import { parseBoolean } from "../boolean.ts";
import { CircusError } from "../errors.ts";
import { isRlimitName } from "../rlimits.ts";

type OptionType =
  | "integer"
  | "number"
  | "integer or string"
  | "boolean"
  | "string"
  | "object"
  | "strings"
  | "env"
  | "rlimit"
  | "stream"
  | "stream option";

export const SETTABLE: Readonly<Record<string, OptionType>> = {
  numprocesses: "integer",
  max_retry: "integer",
  max_age: "integer",
  max_age_variance: "integer",
  stop_signal: "integer",
  warmup_delay: "number",
  graceful_timeout: "number",
  /** Of older versions of Circus; like there, it is taken and has no effect. */
  retry_in: "number",
  uid: "integer or string",
  gid: "integer or string",
  send_hup: "boolean",
  shell: "boolean",
  copy_env: "boolean",
  respawn: "boolean",
  singleton: "boolean",
  stop_children: "boolean",
  close_child_stdin: "boolean",
  close_child_stdout: "boolean",
  close_child_stderr: "boolean",
  cmd: "string",
  args: "strings",
  working_dir: "string",
  env: "env",
  stdout_stream: "stream",
  stderr_stream: "stream",
};

/** Whole families of options. */
const FAMILIES: readonly (readonly [pattern: RegExp, type: OptionType])[] = [
  [/^rlimit_/, "rlimit"],
  // The agent, which knows the names of hooks, checks those further.
  [/^hooks$/, "object"],
  [/^hooks\./, "string"],
  [/^(?:stdout|stderr)_stream\.[a-z_]+$/, "stream option"],
];

/** Undefined: there is no such option. */
function typeOf(key: string): OptionType | undefined {
  if (Object.hasOwn(SETTABLE, key)) return SETTABLE[key];
  return FAMILIES.find(([pattern]) => pattern.test(key))?.[1];
}

/** Numbers, where a command line has only text (reference §5.6). */
const STREAM_NUMBER = /\.(?:max_bytes|backup_count)$/;

/**
 * Checks typed values as they come over the wire.
 *
 * @throws CircusError `message` with the reference's text: `'max_age' isn't an integer`, `unknown key 'x'`.
 */
export function checkOptions(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  for (const [key, value] of Object.entries(options)) {
    const type = typeOf(key);
    if (type === undefined) throw new CircusError("message", `unknown key '${key}'`);
    const problem = problemOf(type, key, value);
    if (problem !== null) throw new CircusError("message", problem);
  }
  return options;
}

function problemOf(type: OptionType, key: string, value: unknown): string | null {
  switch (type) {
    case "integer":
      return Number.isInteger(value) ? null : `'${key}' isn't an integer`;
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? null : `'${key}' isn't a number`;
    case "integer or string":
      return Number.isInteger(value) || typeof value === "string" ? null : `'${key}' isn't an integer or string`;
    case "boolean":
      return typeof value === "boolean" ? null : `'${key}' isn't a valid boolean`;
    case "string":
      return typeof value === "string" ? null : `'${key}' isn't a string`;
    case "object":
      return isObject(value) ? null : `'${key}' isn't a valid object`;
    case "strings": {
      const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
      return typeof value === "string" || isList ? null : `'${key}' isn't a string or a list of strings`;
    }
    case "rlimit":
      if (!isRlimitName(key.slice("rlimit_".length).toLowerCase())) return `'${key}' isn't a valid rlimit setting`;
      if (value === null || (Number.isSafeInteger(value) && Number(value) >= -1)) return null;
      return `${typeof value === "string" ? `'${value}'` : JSON.stringify(value)} rlimit value isn't a valid int`;
    case "env": {
      if (!isObject(value)) return `'${key}' isn't a valid object`;
      const odd = Object.entries(value).find(([, text]) => typeof text !== "string");
      return odd === undefined ? null : `'${odd[0]}' isn't a string`;
    }
    case "stream":
      if (!isObject(value)) return `'${key}' isn't a valid object`;
      return Object.hasOwn(value, "class") ? null : `'${key}' must have a 'class' key`;
    case "stream option":
      if (STREAM_NUMBER.test(key) && typeof value !== "string") {
        return Number.isInteger(value) ? null : `'${key}' isn't an integer`;
      }
      return ["string", "number", "boolean"].includes(typeof value) ? null : `'${key}' isn't a string`;
    default:
      return type satisfies never;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Converts one word of a command line to the option's type, as circusctl does before it sends.
 *
 * @throws CircusError `message`: `unknown key 'x'`, `'max_age' isn't an integer`.
 */
export function optionFromText(key: string, text: string): unknown {
  const type = typeOf(key);
  if (type === undefined || type === "env" || type === "stream" || type === "object") {
    throw new CircusError("message", `unknown key '${key}'`);
  }
  const value = type === "stream option" && !STREAM_NUMBER.test(key) ? text : valueOf(type, text);
  const problem = problemOf(type, key, value);
  if (problem !== null) throw new CircusError("message", problem);
  return value;
}

/** The text itself where it is no value of the type: the check that follows says so. */
function valueOf(type: Exclude<OptionType, "env" | "stream" | "object">, text: string): unknown {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  switch (type) {
    case "string":
    case "strings":
      return text;
    case "boolean":
      return parseBoolean(text) ?? text;
    case "integer or string":
      return Number.isInteger(number) ? number : text;
    case "integer":
    case "number":
    case "rlimit":
    case "stream option":
      return Number.isNaN(number) ? text : number;
    default:
      return type satisfies never;
  }
}
