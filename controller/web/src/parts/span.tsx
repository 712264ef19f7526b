/** How much of the past is shown. */

type Span = readonly [title: string, ms: number];

export const SPANS: readonly [Span, Span, Span] = [
  ["1 hour", 3_600_000],
  ["24 hours", 86_400_000],
  ["7 days", 604_800_000],
];

interface SpanSelectProps {
  readonly spans?: readonly Span[];
  readonly value: number;
  readonly onChange: (ms: number) => void;
}

export function SpanSelect({ spans = SPANS, value, onChange }: SpanSelectProps) {
  return (
    <label>
      <span class="visually-hidden">Time span</span>
      <select value={String(value)} onChange={(event) => onChange(Number(event.currentTarget.value))}>
        {spans.map(([title, ms]) => (
          <option key={ms} value={String(ms)}>
            last {title}
          </option>
        ))}
      </select>
    </label>
  );
}
