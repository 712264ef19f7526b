/** What the questions about the past have in common: a window of time, a limit, the form of the output. */
import { readInstant } from "../render/time.ts";
import { UsageError } from "../settings.ts";
import type { FleetContext } from "./context.ts";

export interface Window {
  /** Wall ms; [since, until). */
  readonly since: number;
  readonly until: number;
}

/** `--NAME` as wall ms; null: not given. @throws UsageError */
export function instant({ request }: Pick<FleetContext, "request">, name: string, nowMs: number): number | null {
  const text = request.options[name];
  if (typeof text !== "string") return null;
  const ms = readInstant(text, nowMs);
  if (ms === null || ms < 0) {
    throw new UsageError(`--${name} ${JSON.stringify(text)} is no time: 1h, 2d, 14:30, 2026-01-31T12:00`);
  }
  return Math.round(ms);
}

/** `--since` and `--until`. @param lengthMs of the window where no `--since` says. @throws UsageError */
export function windowOf(context: Pick<FleetContext, "request">, nowMs: number, lengthMs: number): Window {
  const until = instant(context, "until", nowMs) ?? nowMs;
  const since = instant(context, "since", nowMs) ?? Math.max(0, until - lengthMs);
  if (since >= until) throw new UsageError("--since has to lie before --until");
  return { since, until };
}

/** @throws UsageError */
export function limitOf(text: string | true | undefined, byDefault: number, most: number): number {
  if (typeof text !== "string") return byDefault;
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > most) throw new UsageError(`--limit ${text}: 1 to ${most}`);
  return limit;
}

/** Is the answer wanted as CSV? @throws UsageError where JSON is wanted too */
export function wantsCsv({ request, settings }: Pick<FleetContext, "request" | "settings">): boolean {
  const isWanted = request.options["csv"] !== undefined;
  if (isWanted && settings.json) throw new UsageError("--csv and --json exclude each other");
  return isWanted;
}
