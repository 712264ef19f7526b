/** One broadcast and its answers against the set of those who must answer: who is missing has a name. */
import type { AskManyOptions, AskManyResult, FleetConnection, FleetMessage } from "./types.ts";

/** Answers kept of one broadcast, expected or not. */
const ANSWERS_MAX = 100_000;

/**
 * Subscribes, publishes, and ends when every expected one has answered, on timeout, after a quiet while, or
 * when the connection breaks (`watchLoss` calls back then).
 *
 * @throws what `expected` rejects with, or what publishing throws
 */
export async function askMany(
  connection: Pick<FleetConnection, "publish" | "subscribe">,
  options: AskManyOptions,
  watchLoss: (onLoss: () => void) => () => void,
): Promise<AskManyResult> {
  const answers = new Map<string, FleetMessage>();
  /** Null: nobody has said yet who should answer. */
  let missing = options.expected instanceof Promise ? (null as Set<string> | null) : new Set(options.expected);
  let isDisconnected = false;
  await new Promise<void>((resolve, reject) => {
    let quiet: NodeJS.Timeout | undefined;
    const stop = (): void => {
      clearTimeout(quiet);
      clearTimeout(deadline);
      unwatch();
      subscription.close();
    };
    const end = (): void => {
      stop();
      resolve();
    };
    const fail = (error: unknown): void => {
      stop();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    /** Ends it where nothing is to come. */
    const settle = (): void => {
      if (missing === null) return;
      if (missing.size === 0) end();
      else if (options.quietMs !== undefined && answers.size > 0) {
        clearTimeout(quiet);
        quiet = setTimeout(end, options.quietMs);
      }
    };
    const know = (expected: ReadonlySet<string>): void => {
      missing = new Set([...expected].filter((key) => !answers.has(key)));
      settle();
    };
    const lose = (): void => {
      isDisconnected = true;
      end();
    };
    const subscription = connection.subscribe(options.replySubject, (message) => {
      const key = options.keyOf(message.subject);
      if (key === null || answers.has(key) || answers.size >= ANSWERS_MAX) return;
      answers.set(key, message);
      missing?.delete(key);
      options.onAnswer?.(message, key);
      settle();
    });
    const unwatch = watchLoss(lose);
    const deadline = setTimeout(end, options.timeoutMs);
    try {
      const isSent = options.publishes.map(({ subject, payload }) => connection.publish(subject, payload));
      const { expected } = options;
      if (expected instanceof Promise) expected.then(know, fail);
      if (isSent.includes(false)) lose();
      else settle();
    } catch (error) {
      fail(error);
    }
  });
  return { answers, missing: [...(missing ?? [])].sort(), isDisconnected };
}
