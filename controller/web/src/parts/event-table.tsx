/** Events, the newest first. */
import type { EventRow } from "@circus-cluster/proto";
import { clock } from "../clock.ts";
import { href } from "../state.ts";

export function EventTable({ rows, isHostShown }: { rows: readonly EventRow[]; isHostShown: boolean }) {
  if (rows.length === 0) return <p class="empty">No events.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Events">
      <table class="events">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {isHostShown && <th scope="col">Host</th>}
            <th scope="col">Watcher</th>
            <th scope="col">What</th>
            <th scope="col">Who</th>
            <th scope="col">More</th>
          </tr>
        </thead>
        <tbody>
          {rows.toReversed().map((row) => (
            <tr key={`${row.host} ${row.epoch} ${row.seq}`} class={toneClass(row)}>
              <td class="time">{clock(row.time)}</td>
              {isHostShown && (
                <td>{row.host === "_fleet" ? "fleet" : <a href={href("host", row.host)}>{row.host}</a>}</td>
              )}
              <td>{row.watcher !== null && <a href={href("watcher", row.watcher)}>{row.watcher}</a>}</td>
              <td>{row.kind.replaceAll("_", " ")}</td>
              <td>{row.actor}</td>
              <td class="more">{more(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function toneClass({ kind, data }: EventRow): string {
  if (/failed|lost|unhealthy|truncated|conflict|refused/.test(kind)) return "is-bad";
  return kind === "process_exited" && data["expected"] !== true ? "is-bad" : "";
}

/** The process and what the event says, in one line. */
function more({ pid, data }: EventRow): string {
  const parts = pid === null ? [] : [`pid ${pid}`];
  for (const [key, value] of Object.entries(data)) {
    if (value === null || key === "expected" || key === "generation") continue;
    parts.push(`${key.replaceAll("_", " ")} ${typeof value === "string" ? value : JSON.stringify(value)}`);
  }
  return parts.join(", ");
}
