/** What the life of a watcher makes of the answers of its hooks (reference §2.10). Pure. */
import type { Answer } from "./hooks.ts";
import { beginStarting, onChecked, stayStopped } from "./job.ts";
import { finishUp } from "./jobs.ts";
import { onMayForkAnswered, onSpawnAnswered, veto } from "./life.ts";
import { onMaySignalAnswered } from "./stop.ts";
import type { Turn } from "./turn.ts";

export function onAnswered(turn: Turn, { call, outcome, isYes }: Answer): void {
  const why = outcome.kind === "failed" ? `hook ${call.hook} failed: ${outcome.error}` : `hook ${call.hook} said no`;
  switch (call.hook) {
    case "check":
      if (outcome.kind === "failed") stayStopped(turn, outcome.error, true);
      else onChecked(turn);
      return;
    case "before_start":
      if (isYes) beginStarting(turn);
      else stayStopped(turn, why, outcome.kind === "failed");
      return;
    case "after_start": {
      const { job } = turn.state;
      if (!isYes) veto(turn, why);
      else if (job !== null) finishUp(turn, job);
      return;
    }
    case "before_spawn":
      onMayForkAnswered(turn, isYes, why);
      return;
    case "after_spawn":
      onSpawnAnswered(turn, call, isYes, why);
      return;
    case "before_signal":
      onMaySignalAnswered(turn, call, isYes);
      return;
    case "before_stop":
    case "after_stop":
    case "after_signal":
    case "before_reap":
    case "after_reap":
    case "extended_stats":
    case "before_drain":
    case "after_undrain":
      // Whether it said yes is nobody's business; what waited for its end goes on by itself.
      return;
    default:
      return call.hook satisfies never;
  }
}
