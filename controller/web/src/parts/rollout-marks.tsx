/** A rollout's state in a word, and how far it is as a bar. */
import type { RolloutRecord } from "@circus-cluster/proto";
import type { Tone } from "../judge.ts";
import type { RolloutHead } from "../model.ts";
import { Mark } from "./marks.tsx";

type StepState = RolloutRecord["steps"][number]["state"];

const STEP_TONES: Readonly<Record<string, Tone>> = {
  done: "good",
  failed: "bad",
  restored: "warn",
  pending: "off",
  untouched: "off",
  skipped: "off",
};

export function toneOfStep(state: StepState): Tone {
  return STEP_TONES[state] ?? "busy";
}

export function RolloutMark({ head: { state, waiting } }: { head: RolloutHead }) {
  const tone: Tone = state === "done" ? "good" : state === "failed" ? "bad" : state === "running" ? "busy" : "warn";
  return (
    <>
      <Mark tone={tone}>{state}</Mark>
      {waiting !== null && <div class="reason">{waiting}</div>}
    </>
  );
}

const ORDER: readonly Tone[] = ["good", "bad", "warn", "busy", "off"];

export function Progress({ head }: { head: RolloutHead }) {
  const counts = new Map<Tone, number>();
  let all = 0;
  for (const [state, n = 0] of Object.entries(head.steps)) {
    const tone = toneOfStep(state as StepState);
    counts.set(tone, (counts.get(tone) ?? 0) + n);
    all += n;
  }
  const done = head.steps.done ?? 0;
  return (
    <span class="progress">
      <span class="track" aria-hidden="true">
        {ORDER.map((tone) => (
          <span key={tone} class={tone} style={{ width: `${((counts.get(tone) ?? 0) / Math.max(1, all)) * 100}%` }} />
        ))}
      </span>
      <span>
        {done} of {all} done{(head.steps.failed ?? 0) > 0 ? `, ${head.steps.failed ?? 0} failed` : ""}
      </span>
    </span>
  );
}
