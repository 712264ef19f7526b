/** JSON as Python writes it, for values that Python clients print as they get them. Pure. */

/** These are floats there, also when they are whole (`30.0`, `0.0`). */
const FLOATS: ReadonlySet<string> = new Set([
  "time",
  "graceful_timeout",
  "check_delay",
  "cpu",
  "mem",
  "age",
  "create_time",
  "started",
]);

/** Members that are undefined are left out. */
export function pythonJson(value: unknown): string {
  return encode(value, "");
}

function encode(value: unknown, key: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => encode(item, "")).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => `${JSON.stringify(name)}:${encode(member, name)}`);
    return `{${members.join(",")}}`;
  }
  if (Number.isInteger(value) && FLOATS.has(key)) return Number(value).toFixed(1);
  return JSON.stringify(value ?? null);
}
