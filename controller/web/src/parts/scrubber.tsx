/** A line of time: at its right end the fleet is live, elsewhere it is shown as it was then. */
import { useSignal } from "@preact/signals";
import { clock } from "../clock.ts";
import { now } from "../state.ts";
import { SPANS, SpanSelect } from "./span.tsx";

const DAYS_30 = ["30 days", 2_592_000_000] as const;
const STEPS = 3600;

export function Scrubber({ at, onChange }: { at: number | null; onChange: (time: number | null) => void }) {
  const span = useSignal(SPANS[0][1]);
  // The end stays where it was while somebody looks back, so that the moment chosen does not move.
  const end = useSignal(now.value);
  if (at === null) end.value = now.value;
  const begin = end.value - span.value;
  const position = at === null ? STEPS : Math.round(((at - begin) / span.value) * STEPS);
  const move = (step: number): void => onChange(step >= STEPS ? null : Math.round(begin + (step / STEPS) * span.value));
  return (
    <div class="scrubber">
      <SpanSelect
        spans={[...SPANS, DAYS_30]}
        value={span.value}
        onChange={(ms) => {
          span.value = ms;
          onChange(null);
        }}
      />
      <input
        type="range"
        aria-label="Moment shown"
        aria-valuetext={at === null ? "live" : clock(at)}
        min={0}
        max={STEPS}
        value={Math.max(0, position)}
        onInput={(event) => move(Number(event.currentTarget.value))}
      />
      <button type="button" disabled={at === null} onClick={() => onChange(null)}>
        {at === null ? "live" : "back to live"}
      </button>
    </div>
  );
}
