/** What the screens of `top`, of a host and of the fleet, take in common. */
import type { Request } from "../argv.ts";
import type { Io } from "../io.ts";
import { durationOption, type Settings, UsageError } from "../settings.ts";

const EVERY_MS = 2000;
const EVERY_MIN_MS = 200;
/** Width of plain pictures. */
export const PLAIN_COLUMNS = 120;

/** `--interval`, in ms. @throws UsageError */
export function everyOption(options: Request["options"]): number {
  return Math.max(EVERY_MIN_MS, durationOption(options, "interval") ?? EVERY_MS);
}

/** `--count`; null: until somebody leaves. @throws UsageError */
export function countOption(text: string | true | undefined): number | null {
  if (typeof text !== "string") return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--count ${JSON.stringify(text)} is no number above 0`);
  return Number(text);
}

/** Else there are plain lines. */
export function isScreen(io: Io, { json }: Pick<Settings, "json">, count: number | null): boolean {
  return io.isInTty && io.isOutTty && io.env["TERM"] !== "dumb" && !json && count === null;
}

/** Works now and again until it says false. */
export async function repeat(firstMs: number, everyMs: number, work: () => Promise<boolean>): Promise<void> {
  await sleep(firstMs);
  while (await work()) await sleep(everyMs);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
