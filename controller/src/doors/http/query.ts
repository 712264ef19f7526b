/**
 * `?hosts=a,b&limit=20` → the properties of a question, as far as its schema says what they are; the schema then
 * judges them. Pure.
 */
import type { Millis, Schema } from "@circus-cluster/proto";
import { type JsonSchema, jsonSchemaOf } from "@circus-cluster/proto/json-schema";

type Kind = "text" | "number" | "boolean" | "list" | "json";

export interface Parameter {
  readonly name: string;
  readonly kind: Kind;
  readonly isRequired: boolean;
  /** Of the value where one is given. */
  readonly schema: JsonSchema;
  /** What holds where it is not given, for the documentation; null: nothing special. */
  readonly fallback: string | null;
}

const DAY_MS = 86_400_000;

/** What a person with curl does not want to write; by name of the property. */
const FALLBACKS: Readonly<Record<string, { readonly text: string; readonly value: (nowMs: Millis) => unknown }>> = {
  since: { text: "24 hours ago", value: (nowMs) => nowMs - DAY_MS },
  until: { text: "now", value: (nowMs) => nowMs },
  at: { text: "now", value: (nowMs) => nowMs },
  limit: { text: "1000", value: () => 1000 },
  points: { text: "120", value: () => 120 },
  by: { text: "none", value: () => "none" },
  lines: { text: "100", value: () => 100 },
};

/** Of a question whose schema is an object. */
export function parametersOf<T>(schema: Schema<T>): readonly Parameter[] {
  const { properties = {}, required = [] } = jsonSchemaOf(schema);
  return Object.entries(properties).map(([name, property]) => {
    const alternatives = property.anyOf?.filter((one) => one.type !== "null") ?? [property];
    const [only = property] = alternatives;
    const isNullable = property.anyOf?.some((one) => one.type === "null") === true;
    const fallback = FALLBACKS[name]?.text ?? (isNullable ? "all" : null);
    return {
      name,
      kind: alternatives.length === 1 ? kindOf(only) : "json",
      isRequired: required.includes(name) && fallback === null,
      schema: alternatives.length === 1 ? only : property,
      fallback,
    };
  });
}

/**
 * Values that are not what the schema wants are passed on as they are, so that the schema can say so; names that it
 * does not know too.
 */
export function readQuery(
  parameters: readonly Parameter[],
  query: URLSearchParams,
  nowMs: Millis,
): Readonly<Record<string, unknown>> {
  const known = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const entries = new Map<string, unknown>();
  for (const { name, isRequired, fallback } of parameters) {
    if (isRequired || query.has(name)) continue;
    const value = FALLBACKS[name]?.value(nowMs);
    if (value !== undefined) entries.set(name, value);
    else if (fallback !== null) entries.set(name, null);
  }
  for (const name of new Set(query.keys())) {
    const texts = query.getAll(name);
    const kind = known.get(name)?.kind ?? "text";
    // Two of what there can be one of: the schema says what it expected instead of a list.
    entries.set(name, kind === "list" || texts.length > 1 ? listOf(texts) : valueOf(kind, texts[0] ?? ""));
  }
  return Object.fromEntries(entries);
}

function kindOf({ type, items }: JsonSchema): Kind {
  if (type === "string") return "text";
  if (type === "integer" || type === "number") return "number";
  if (type === "boolean") return "boolean";
  return type === "array" && items?.type === "string" ? "list" : "json";
}

function listOf(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(","));
}

function valueOf(kind: Exclude<Kind, "list">, text: string): unknown {
  switch (kind) {
    case "text":
      return text;
    case "number":
      return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" || (text === "false" ? false : text);
    case "json":
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return text;
      }
    default:
      return kind satisfies never;
  }
}
