/** One watcher over all hosts: now, what it uses, its uptime, its restarts over time, its states on each host. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { useAsk } from "../ask.ts";
import { Ago, Mark, PresenceMark, Trouble, WatcherMark } from "../parts/marks.tsx";
import { Plot } from "../parts/plot.tsx";
import { SPANS, SpanSelect } from "../parts/span.tsx";
import { Strip } from "../parts/strip.tsx";
import { USAGE_MS, Usage, UseCells } from "../parts/usage.tsx";
import { groupBy, histogram } from "../series.ts";
import { href, picture } from "../state.ts";
import { duration } from "../words.ts";

const BUCKETS = 60;

export function WatcherPage({ watcher: name }: { watcher: string }) {
  const span = useSignal(SPANS[1][1]);
  const key = `${name} ${span.value}`;
  const since = (): number => Date.now() - span.value;
  const history = useAsk("history", () => ({ watcher: name, since: since(), limit: 10_000 }), key, 30_000);
  const uptime = useAsk("uptime", () => ({ watcher: name, since: since() }), key, 30_000);
  const usage = useAsk("usage", () => ({ watcher: name, since: since() }), key, USAGE_MS);
  const exits = useAsk(
    "events",
    () => ({ watcher: name, kinds: "process_exited", since: since(), limit: 10_000 }),
    key,
    30_000,
  );
  const hosts = [...picture.value.hosts.values()].filter((host) => host.watchers.has(name));
  const until = history.at;
  const rows = exits.value?.rows ?? [];
  // Not with each change of the fleet: there can be ten thousand of both.
  const ended = useMemo(() => {
    const byWish = groupBy(rows, ({ data }) => data["expected"] === true);
    const count = (wish: boolean) => {
      const times = (byWish.get(wish) ?? []).map(({ time }) => time);
      return histogram(times, exits.at - span.value, exits.at, BUCKETS);
    };
    const [times, crashes] = count(false);
    return [times.map((time) => time / 1000), crashes, count(true)[1]];
  }, [exits.at, span.value]);
  const intervals = useMemo(() => groupBy(history.value?.rows ?? [], (row) => row.host), [history.value]);
  const uses = new Map((usage.value?.hosts ?? []).map((row) => [row.host, row]));
  const byHost = new Map((uptime.value?.rows ?? []).map((row) => [row.host, row]));
  return (
    <>
      <div class="head">
        <h1>{name}</h1>
        <Mark tone={hosts.length === 0 ? "unknown" : "off"}>on {hosts.length} hosts</Mark>
        <SpanSelect value={span.value} onChange={(ms) => (span.value = ms)} />
        <a class="button" href={href("logs", name)}>
          Logs
        </a>
        <a class="button" href={`${href("start")}?watcher=${encodeURIComponent(name)}`}>
          Start a rollout…
        </a>
      </div>
      <Trouble text={history.trouble ?? uptime.trouble ?? exits.trouble ?? usage.trouble} />
      <h2>What it uses</h2>
      <Usage name={name} asked={usage} span={span.value} by="total" />
      <h2>Processes that ended</h2>
      {exits.value !== null && (
        <Plot
          label={`Processes of ${name} that ended: ${rows.length} in all`}
          data={ended}
          span={[(exits.at - span.value) / 1000, exits.at / 1000]}
          series={[
            { label: "unasked", tone: "bad" },
            { label: "asked for", tone: "busy" },
          ]}
        />
      )}
      <h2>Hosts</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Hosts">
        <table>
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col">Now</th>
              <th scope="col">Since</th>
              <th scope="col">CPU</th>
              <th scope="col">Memory</th>
              <th scope="col">Up</th>
              <th scope="col">Crashes</th>
              <th scope="col">Longest outage</th>
              <th scope="col">States</th>
            </tr>
          </thead>
          <tbody>
            {hosts.map((host) => {
              const watcher = host.watchers.get(name);
              const up = byHost.get(host.host);
              const use = uses.get(host.host) ?? null;
              const isThere = host.presence === "online" || host.presence === "late";
              return (
                <tr key={host.host}>
                  <th scope="row">
                    <a href={href("host", host.host)}>{host.host}</a>
                  </th>
                  <td>
                    {isThere && watcher !== undefined ? (
                      <WatcherMark watcher={watcher} />
                    ) : (
                      <PresenceMark host={host} />
                    )}
                    {watcher !== undefined && watcher.reason !== null && <div class="reason">{watcher.reason}</div>}
                  </td>
                  <td>
                    <Ago time={watcher?.since ?? null} />
                  </td>
                  <UseCells use={isThere ? use : null} />
                  <td>{`${up?.percent?.toFixed(2) ?? "?"} %`}</td>
                  <td>{up?.crashes ?? "?"}</td>
                  <td>{up === undefined ? "?" : up.outage === null ? "none" : duration(up.outage.ms)}</td>
                  <td class="wide">
                    <Strip rows={intervals.get(host.host) ?? []} since={until - span.value} until={until} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}
