/**
 * The shape of one entry of the command table (design §1): what it takes, whether it changes anything,
 * how it is typed on a command line. The ZeroMQ, NATS and HTTP doors and `circusctl` all derive from it.
 */
import { parseBoolean } from "../boolean.ts";
import { CircusError } from "../errors.ts";

export type PropertyType = "string" | "integer" | "number" | "boolean" | "object" | "strings" | "signal" | "any";

export interface PropertySpec {
  readonly type: PropertyType;
  readonly required?: boolean;
  readonly default?: unknown;
  /** Allowed words. */
  readonly oneOf?: readonly string[];
  /** Not for records and logs. @default false */
  readonly isSecret?: boolean;
  readonly doc: string;
}

export interface CliArgument {
  readonly property: string;
  readonly required: boolean;
  /**
   * `rest`: all further words as a list; `line`: the same joined by blanks; `pairs`: further words as KEY VALUE
   * into an object.
   */
  readonly takes?: "rest" | "line" | "pairs";
}

export interface CliFlag {
  /** With its dashes: `--waiting`. */
  readonly flag: string;
  readonly property: string;
  /** A flag without value sets this; null: it takes a value. */
  readonly sets: unknown;
  readonly doc: string;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly access: "read" | "write";
  /**
   * What it waits behind: nothing, other changes of the watchers it names, or all changes of the agent.
   * Commands on different watchers do not wait for each other (design §3).
   */
  readonly queue: "none" | "watcher" | "arbiter";
  readonly properties: Readonly<Record<string, PropertySpec>>;
  /** Null: no person types it. */
  readonly cli: { readonly args: readonly CliArgument[]; readonly flags: readonly CliFlag[] } | null;
  /** The doors that serve it. */
  readonly doors: readonly ("zmq" | "nats")[];
  /** May go to all hosts at once as a broadcast: safe in parallel (design §4). */
  readonly isBroadcast: boolean;
}

export type Properties = Readonly<Record<string, unknown>>;

/** Converts what real clients send (numbers as strings, reference rule 5); undefined: cannot be. */
function coerce(spec: PropertySpec, value: unknown): unknown {
  switch (spec.type) {
    case "any":
      return value;
    case "string":
      return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
    case "signal":
      return typeof value === "string" || Number.isInteger(value) ? value : undefined;
    case "integer": {
      const n = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      return Number.isInteger(n) ? n : undefined;
    }
    case "number": {
      const n = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      return typeof n === "number" && Number.isFinite(n) ? n : undefined;
    }
    case "boolean":
      if (typeof value === "boolean") return value;
      if (typeof value === "number") return value !== 0;
      if (typeof value !== "string") return undefined;
      return parseBoolean(value) ?? undefined;
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
    case "strings":
      return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
    default:
      return spec.type satisfies never;
  }
}

const WORDS: Readonly<Record<PropertyType, string>> = {
  any: "a value",
  string: "a string",
  signal: "a signal",
  integer: "an integer",
  number: "a number",
  boolean: "a valid boolean",
  object: "an object",
  strings: "a list of strings",
};

/**
 * Checks the properties of a request against its entry; unknown ones are dropped, as Circus does.
 *
 * @throws CircusError `message` with the reference's text (§5.3): `message invalid 'name' is missing`.
 */
export function checkProperties(spec: CommandSpec, given: Properties): Record<string, unknown> {
  const checked: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(spec.properties)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined || value === null) {
      if (property.required === true) throw new CircusError("message", `message invalid '${name}' is missing`);
      if (property.default !== undefined) checked[name] = property.default;
      continue;
    }
    const converted = coerce(property, value);
    if (converted === undefined) {
      throw new CircusError(
        "message",
        name === "options" ? "'options' property should be an object" : `'${name}' isn't ${WORDS[property.type]}`,
      );
    }
    checked[name] = converted;
  }
  return checked;
}
