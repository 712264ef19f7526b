/**
 * Taking a host out of its balancer before its command and putting it back after (design §5, `--drain`). Pure.
 *
 * D1  `drain` and `undrain` have ids of their own, fixed and stored before they are sent, as the command has.
 * D2  Whoever may be out is put back, or the reason of its step says that it may be out and how it is put back: one whose
 *     watcher is ill after the command stays out on purpose.
 * D3  What was drained and is not commanded any more (an abort, a failure elsewhere) is put back and counts as untouched.
 */
import type { Millis, RolloutRecord } from "@circus-cluster/proto";
import { isWhole } from "./gate.ts";
import type { Drain, Sight, Work } from "./state.ts";

/** Put back before it was commanded. */
export const LET_ALONE: Drain["end"] = { state: "untouched", reason: null };

/** For a host that may be out: what a person can do. */
export function stillOut({ watcher }: Pick<RolloutRecord, "watcher">, host: string): string {
  return `it may be out of its balancer still; put it back by: circusctl --host ${host} undrain ${watcher}`;
}

/** Is a host that is given up put back? Not who is silent, and after the command only who is well. */
export function isPutBack({ state, drain }: Work, sight: Sight | null): boolean {
  if (drain?.isOut !== true || sight?.isLost === true) return false;
  switch (state) {
    case "draining":
    case "drained":
      return true;
    case "sent":
    case "accepted":
    case "restarted":
      return sight !== null && sight.view !== null && isWhole(sight.view);
    default:
      return false;
  }
}

/** What time does to a host that is out for its command; null: its time is another one. */
export function elapsedOut({ state, drain }: Work, ms: Millis): Partial<Pick<Work, "drain">> | null {
  if (drain === null || (state !== "draining" && state !== "drained" && state !== "undraining")) return null;
  return { drain: { ...drain, leftMs: drain.leftMs - ms } };
}
