/** What of a configuration says who an agent is, and where it is reached and finds what it left behind. Pure. */
import type { AgentConfig } from "../config/types.ts";

type Part = Pick<AgentConfig, "circus" | "fleet">;

/** What would be another one, as written in a file: `[fleet] host`, `endpoint`. */
export function identityChanges(present: Part, next: Part): readonly string[] {
  const circus = (["endpoint", "endpointOwner", "stateDir"] as const).filter(
    (key) => present.circus[key] !== next.circus[key],
  );
  const own = present.fleet ?? {};
  const other = next.fleet ?? {};
  const keys = [...new Set([...Object.keys(own), ...Object.keys(other)])];
  const fleet = keys.filter((key) => textOf(own, key) !== textOf(other, key));
  return [
    ...fleet.map((key) => `[fleet] ${key === "natsUrls" ? "nats_url" : written(key)}`),
    ...circus.map((key) => written(key)),
  ];
}

function textOf(part: object, key: string): string {
  const value: unknown = Object.entries(part).find(([name]) => name === key)?.[1] ?? null;
  // Labels in another order are the same ones.
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one) ? Object.entries(one).sort() : one,
  );
}

function written(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
