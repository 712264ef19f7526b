import type { Millis } from "../time.ts";

/** Wall time and time since some moment that no clock setting moves, both in milliseconds. */
export interface Clocks {
  readonly wall: () => Millis;
  readonly steady: () => Millis;
}

/** More than a clock is slewed by between two attempts. */
const CLOCK_BACK_MS = 1000;
/** The package remembers the last attempt at each server of the cluster: more than a cluster has. */
const SERVERS_AT_MOST = 8;

/**
 * How long the package `nats` has to let pass between two attempts at one server (its `reconnectDelayHandler`): `retryMs`
 * to twice that. It adds this to the wall time of the last attempt, so that after a clock went back it would wait until the
 * old time has come again: each server then gets one attempt without a pause, after which its time is right.
 */
export function pauses(retryMs: Millis, clocks: Clocks, chance: () => number): () => Millis {
  const ahead = (): Millis => clocks.wall() - clocks.steady();
  let last = ahead();
  let backMs = 0;
  let left = 0;
  return () => {
    const now = ahead();
    const lost = last - now;
    last = now;
    if (lost > CLOCK_BACK_MS) {
      backMs = left > 0 ? backMs + lost : lost;
      left = SERVERS_AT_MOST;
    }
    if (left > 0) {
      left--;
      return -backMs - 1;
    }
    return retryMs + chance() * retryMs;
  };
}
