/**
 * JSON that keeps what `JSON.parse` loses: how numbers were written (`30.0`) and the order of all keys (pids
 * too). Python programs print both, and their texts are ours (reference §5.6). Pure.
 */

/** A number as it stood there. */
export class NumberText {
  readonly literal: string;
  constructor(literal: string) {
    this.literal = literal;
  }
}

export type Json = null | boolean | string | NumberText | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

const TOKEN = /\s*(?:([[\]{}:,])|("(?:[^"\\]|\\.)*")|([^\s[\]{}:,"]+))/y;

/** @throws SyntaxError as `JSON.parse` does. */
export function readJson(text: string): Json {
  JSON.parse(text); // from here on it is known to be well-formed, and no deeper than that can take
  let at = 0;
  const next = (): string => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    at = TOKEN.lastIndex;
    return found?.[0].trim() ?? "";
  };
  const value = (token: string): Json => {
    if (token === "{") return object();
    if (token === "[") return list();
    if (token.startsWith('"')) return JSON.parse(token) as string;
    if (token === "null") return null;
    if (token === "true" || token === "false") return token === "true";
    return new NumberText(token);
  };
  const object = (): JsonObject => {
    const members = new Map<string, Json>();
    for (let token = next(); token !== "}"; token = next()) {
      if (token === ",") continue;
      const key = JSON.parse(token) as string;
      next(); // the colon
      members.set(key, value(next()));
    }
    return members;
  };
  const list = (): Json[] => {
    const items: Json[] = [];
    for (let token = next(); token !== "]"; token = next()) if (token !== ",") items.push(value(token));
    return items;
  };
  return value(next());
}

export function isObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map;
}

function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * As Python's `json.dumps` writes it: a blank behind `,` and `:`, ASCII only.
 *
 * @param indent blanks a level, keys sorted then; 0: all on one line, in the order given.
 */
export function writeJson(value: Json, indent = 0, level = 0): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return quoted(value);
  if (value instanceof NumberText) return value.literal;
  const inside = (items: readonly string[], open: string, close: string): string => {
    if (items.length === 0) return open + close;
    if (indent === 0) return open + items.join(", ") + close;
    const pad = " ".repeat(indent * (level + 1));
    return `${open}\n${items.map((item) => pad + item).join(",\n")}\n${" ".repeat(indent * level)}${close}`;
  };
  if (isObject(value)) {
    const keys = indent === 0 ? [...value.keys()] : [...value.keys()].sort();
    const members = keys.map((key) => `${quoted(key)}: ${writeJson(value.get(key) ?? null, indent, level + 1)}`);
    return inside(members, "{", "}");
  }
  return inside(
    value.map((item) => writeJson(item, indent, level + 1)),
    "[",
    "]",
  );
}
