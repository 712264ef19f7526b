/** A question that is asked again while nobody answers it. */

const FIRST_MS = 2000;
const NEXT_MS = 500;
/** With two controllers of which one is cut off, one question in 64 to 256 stays unanswered. */
const ASKS_MAX = 8;

/**
 * The broker gives a question to one controller by chance, and for half a minute also to one that is cut off: that
 * must not look as if all were gone. Only for what does no harm twice.
 *
 * @param ask with the time that is left
 * @returns the first answer; rejects with the first error that is no silence, or when nobody has answered in time
 */
export async function askAgain<T>(
  ask: (timeoutMs: number) => Promise<T>,
  timeoutMs: number,
  isSilence: (error: unknown) => boolean,
): Promise<T> {
  const timers: NodeJS.Timeout[] = [];
  try {
    return await new Promise<T>((resolve, reject) => {
      let silent = 0;
      let asked = 0;
      const once = (leftMs: number): void => {
        asked++;
        ask(leftMs).then(resolve, (error: unknown) => {
          silent++;
          // All run out together.
          if (!isSilence(error) || silent === asked) reject(error instanceof Error ? error : new Error(String(error)));
        });
      };
      once(timeoutMs);
      for (let i = 0; i < ASKS_MAX - 1; i++) {
        const afterMs = FIRST_MS + i * NEXT_MS;
        if (afterMs < timeoutMs) timers.push(setTimeout(once, afterMs, timeoutMs - afterMs));
      }
    });
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}
