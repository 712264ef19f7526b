/** One host: what is known of it, its watchers now and over the last day, what they use, and what happened. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { useAsk } from "../ask.ts";
import { clock } from "../clock.ts";
import { EventTable } from "../parts/event-table.tsx";
import { Ago, PresenceMark, Trouble, WatcherMark } from "../parts/marks.tsx";
import { SPANS, SpanSelect } from "../parts/span.tsx";
import { Strip } from "../parts/strip.tsx";
import { USAGE_MS, Usage, UseCells } from "../parts/usage.tsx";
import { groupBy } from "../series.ts";
import { href, picture } from "../state.ts";

const DAY_MS = 86_400_000;
/** Watchers whose figures are asked for; of more those that use most. */
const ROWS = 50;

export function HostPage({ host: name }: { host: string }) {
  const host = picture.value.hosts.get(name);
  const history = useAsk("history", () => ({ hosts: name, since: Date.now() - DAY_MS, limit: 5000 }), name, 30_000);
  const events = useAsk("events", () => ({ hosts: name, since: Date.now() - DAY_MS, limit: 50 }), name, 5000);
  const span = useSignal(SPANS[1][1]);
  const usage = useAsk(
    "usage",
    () => ({ hosts: name, by: "watcher", since: Date.now() - span.value, limit: ROWS }),
    `${name} ${span.value}`,
    USAGE_MS,
  );
  const uses = new Map((usage.value?.rows ?? []).map((row) => [row.name, row.now]));
  const intervals = useMemo(() => groupBy(history.value?.rows ?? [], (row) => row.watcher), [history.value]);
  if (host === undefined) {
    return (
      <>
        <h1>{name}</h1>
        <p class="empty">No host of this name has been heard.</p>
      </>
    );
  }
  const { info } = host;
  const until = history.at;
  const isThere = host.presence === "online" || host.presence === "late";
  return (
    <>
      <div class="head">
        <h1>{name}</h1>
        <PresenceMark host={host} />
        <span>
          heard <Ago time={host.heard} />
        </span>
        <a class="button" href={`${href("start")}?hosts=${encodeURIComponent(name)}`}>
          Start a rollout here…
        </a>
      </div>
      {info !== null && (
        <dl class="facts">
          <dt>Labels</dt>
          <dd>
            {Object.entries(info.labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(", ") || "none"}
          </dd>
          <dt>Version</dt>
          <dd>{info.version ?? "not known"}</dd>
          <dt>Load</dt>
          <dd>{info.load?.toFixed(2) ?? "not known"}</dd>
          <dt>Clock</dt>
          <dd>{info.skewMs === null ? "not measured" : `${Math.round(info.skewMs)} ms off`}</dd>
          <dt>Unsent events</dt>
          <dd>{info.backlog ?? "not known"}</dd>
          <dt>{info.presence} since</dt>
          <dd>{info.since > 0 ? clock(info.since) : "not known"}</dd>
        </dl>
      )}
      <h2>Watchers</h2>
      <Trouble text={history.trouble} />
      <div class="scroll" tabIndex={0} role="region" aria-label="Watchers">
        <table>
          <thead>
            <tr>
              <th scope="col">Watcher</th>
              <th scope="col">Now</th>
              <th scope="col">Since</th>
              <th scope="col">CPU</th>
              <th scope="col">Memory</th>
              <th scope="col">Processes</th>
              <th scope="col">Output</th>
              <th scope="col">Last 24 hours</th>
            </tr>
          </thead>
          <tbody>
            {[...host.watchers.values()].map((watcher) => (
              <tr key={watcher.name}>
                <th scope="row">
                  <a href={href("watcher", watcher.name)}>{watcher.name}</a>
                </th>
                <td>
                  <WatcherMark watcher={watcher} />
                  {watcher.reason !== null && <div class="reason">{watcher.reason}</div>}
                </td>
                <td>
                  <Ago time={watcher.since} />
                </td>
                <UseCells use={isThere ? (uses.get(watcher.name) ?? null) : null} />
                <td class="pids">{watcher.pids.join(" ") || "none"}</td>
                <td>
                  <a href={`${href("logs", watcher.name)}?hosts=${encodeURIComponent(name)}`}>
                    logs<span class="visually-hidden"> of {watcher.name}</span>
                  </a>
                </td>
                <td class="wide">
                  <Strip rows={intervals.get(watcher.name) ?? []} since={until - DAY_MS} until={until} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(history.value?.gaps.length ?? 0) > 0 && (
        <p class="trouble">History is incomplete: some events of this host never came.</p>
      )}
      <div class="head">
        <h2>What it uses</h2>
        <SpanSelect value={span.value} onChange={(ms) => (span.value = ms)} />
      </div>
      <Trouble text={usage.trouble} />
      <Usage name={name} asked={usage} span={span.value} by="watcher" />
      <h2>Events of the last 24 hours</h2>
      <Trouble text={events.trouble} />
      <EventTable rows={events.value?.rows ?? []} isHostShown={false} />
      {events.value?.truncated === true && (
        <p>
          Only the newest 50. <a href={`${href("events")}?hosts=${encodeURIComponent(name)}`}>All events of {name}</a>
        </p>
      )}
    </>
  );
}
