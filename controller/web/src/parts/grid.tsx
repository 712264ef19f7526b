/** Hosts by watchers. Only the lines in sight exist: a thousand hosts are as quick to scroll as ten. */
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import { toneOfHost, toneOfWatcher } from "../judge.ts";
import type { HostView } from "../model.ts";
import { href } from "../state.ts";
import { duration } from "../words.ts";
import { Ago, Mark, PresenceMark, watcherWord } from "./marks.tsx";

const ROW_PX = 36;
const SPARE_ROWS = 8;

interface GridProps {
  readonly hosts: readonly HostView[];
  readonly watchers: readonly string[];
  readonly isPast: boolean;
}

export function Grid({ hosts, watchers, isPast }: GridProps) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - SPARE_ROWS);
  const last = Math.min(hosts.length, Math.ceil((view.top + view.height) / ROW_PX) + SPARE_ROWS);
  return (
    <div class="grid" ref={box} tabIndex={0} role="region" aria-label="Hosts and their watchers">
      <table aria-rowcount={hosts.length + 1}>
        <thead>
          <tr>
            <th scope="col">Host</th>
            <th scope="col">{isPast ? "Then" : "Heard"}</th>
            {watchers.map((name) => (
              <th scope="col" key={name}>
                <a href={href("watcher", name)}>{name}</a>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Gap rows={first} columns={watchers.length + 2} />}
          {hosts.slice(first, last).map((host, index) => (
            <Row key={host.host} host={host} watchers={watchers} isPast={isPast} index={first + index + 2} />
          ))}
          {last < hosts.length && <Gap rows={hosts.length - last} columns={watchers.length + 2} />}
        </tbody>
      </table>
      {hosts.length === 0 && <p class="empty">No host matches.</p>}
    </div>
  );
}

function Gap({ rows, columns }: { rows: number; columns: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={columns} style={{ height: `${rows * ROW_PX}px`, padding: 0 }} />
    </tr>
  );
}

interface RowProps {
  readonly host: HostView;
  readonly watchers: readonly string[];
  readonly isPast: boolean;
  readonly index: number;
}

const Row = memo(
  function Row({ host, watchers, isPast, index }: RowProps) {
    const isThere = host.presence === "online" || host.presence === "late";
    return (
      <tr class={`host ${toneOfHost(host)}`} aria-rowindex={index}>
        <th scope="row">
          <a href={href("host", host.host)}>{host.host}</a>
        </th>
        <td class="heard">
          {isPast ? "as stored" : isThere ? <Ago time={host.heard} /> : <PresenceMark host={host} />}
        </td>
        {watchers.map((name) => {
          const watcher = host.watchers.get(name);
          if (watcher === undefined) return <td key={name} class="none" />;
          const tone = isThere ? toneOfWatcher(watcher) : "unknown";
          const word = isPast ? watcher.state : watcherWord(watcher);
          return (
            <td key={name}>
              <span title={watcher.reason ?? `${watcher.state} for ${duration(Date.now() - watcher.since)}`}>
                <Mark tone={tone}>{isThere || word === "unknown" ? word : `was ${word}`}</Mark>
              </span>
            </td>
          );
        })}
      </tr>
    );
  },
  (a, b) =>
    a.host === b.host &&
    a.isPast === b.isPast &&
    a.index === b.index &&
    a.watchers.join("\n") === b.watchers.join("\n"),
);
