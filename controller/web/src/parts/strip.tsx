/** States over time as a bar: one piece an interval, its colour the state; the words are in its title. */
import type { HistoryRow } from "@circus-cluster/proto";
import { clock } from "../clock.ts";
import { toneOfState } from "../judge.ts";
import { duration } from "../words.ts";

interface StripProps {
  readonly rows: readonly HistoryRow[];
  readonly since: number;
  readonly until: number;
}

const WIDTH = 600;

export function Strip({ rows, since, until }: StripProps) {
  const span = Math.max(1, until - since);
  const x = (time: number): number => ((Math.min(Math.max(time, since), until) - since) / span) * WIDTH;
  const bad = rows.filter(({ state }) => state === "failed" || state === "unknown");
  const lost = bad.reduce(
    (sum, { from, to }) => sum + Math.max(0, Math.min(to ?? until, until) - Math.max(from, since)),
    0,
  );
  const label = bad.length === 0 ? "no trouble" : `${duration(lost)} failed or unknown, in ${bad.length} pieces`;
  return (
    <svg class="strip" viewBox={`0 0 ${WIDTH} 16`} preserveAspectRatio="none" role="img" aria-label={label}>
      {rows.map((row) => {
        const from = x(row.from);
        const to = x(row.to ?? until);
        return (
          <rect
            key={`${row.host} ${row.watcher} ${row.from}`}
            class={toneOfState(row.state)}
            x={from}
            width={Math.max(1, to - from)}
            height="16"
          >
            <title>
              {row.state} {clock(row.from)} to {row.to === null ? "now" : clock(row.to)}
              {row.actor === null ? "" : ` by ${row.actor}`}
            </title>
          </rect>
        );
      })}
    </svg>
  );
}
