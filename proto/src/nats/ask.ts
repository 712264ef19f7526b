/** One broadcast and its answers against the set of those who must answer: who is missing has a name. */
import type { AskManyOptions, AskManyResult, FleetConnection, FleetMessage } from "./types.ts";

/** Answers kept of one broadcast, expected or not. */
const ANSWERS_MAX = 100_000;

/**
 * Subscribes, publishes, and ends when every expected one has answered, on timeout, after a quiet while, or
 * when the connection breaks (`watchLoss` calls back then).
 */
export async function askMany(
  connection: Pick<FleetConnection, "publish" | "subscribe">,
  options: AskManyOptions,
  watchLoss: (onLoss: () => void) => () => void,
): Promise<AskManyResult> {
  const answers = new Map<string, FleetMessage>();
  const missing = new Set(options.expected);
  let isDisconnected = false;
  await new Promise<void>((resolve, reject) => {
    let quiet: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(quiet);
      clearTimeout(deadline);
      unwatch();
      subscription.close();
      resolve();
    };
    const lose = (): void => {
      isDisconnected = true;
      end();
    };
    const subscription = connection.subscribe(options.replySubject, (message) => {
      const key = options.keyOf(message.subject);
      if (key === null || answers.has(key) || answers.size >= ANSWERS_MAX) return;
      answers.set(key, message);
      missing.delete(key);
      options.onAnswer?.(message, key);
      if (missing.size === 0) end();
      else if (options.quietMs !== undefined) {
        clearTimeout(quiet);
        quiet = setTimeout(end, options.quietMs);
      }
    });
    const unwatch = watchLoss(lose);
    const deadline = setTimeout(end, options.timeoutMs);
    try {
      const isSent = options.publishes.map(({ subject, payload }) => connection.publish(subject, payload));
      if (isSent.includes(false)) lose();
      else if (missing.size === 0) end();
    } catch (error) {
      end();
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  });
  return { answers, missing: [...missing].sort(), isDisconnected };
}
