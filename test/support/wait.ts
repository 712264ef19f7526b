/** Waiting for a condition instead of sleeping. */
import { setTimeout as delay } from "node:timers/promises";

export interface WaitOptions {
  /** What is waited for, for the error. */
  readonly what: string;
  /** @default 10_000 */
  readonly deadlineMs?: number;
  /** Between two looks. @default 10 */
  readonly everyMs?: number;
  /** Ends the waiting with its reason. */
  readonly signal?: AbortSignal;
}

type Falsy = null | undefined | false | 0 | "";

/**
 * The first truthy value of `condition`; one that throws counts as "not yet".
 * @throws after the deadline, naming `what` and what `condition` said last.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<Exclude<T, Falsy>> {
  const { what, deadlineMs = 10_000, everyMs = 10, signal } = options;
  const begun = performance.now();
  for (;;) {
    let last: unknown;
    let cause: unknown;
    try {
      const value = await condition();
      if (isTruthy(value)) return value;
      last = value;
    } catch (error) {
      cause = error;
      last = error instanceof Error ? error.message : error;
    }
    signal?.throwIfAborted();
    if (performance.now() - begun > deadlineMs) {
      throw new Error(`waited ${deadlineMs} ms in vain for ${what}; last: ${String(last)}`, { cause });
    }
    await delay(everyMs);
  }
}

function isTruthy<T>(value: T): value is Exclude<T, Falsy> {
  return Boolean(value);
}

/** The value of `work`, or an error that names `what` when it takes longer. */
export async function within<T>(what: string, deadlineMs: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(deadlineMs, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`${what} took longer than ${deadlineMs} ms`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
