/**
 * Hosts by watchers. Only the lines in sight exist: a thousand hosts are as quick to scroll as ten. Widths are known
 * before the cells are, so that no line that comes or goes moves a column.
 */
import type { RefObject } from "preact";
import { memo } from "preact/compat";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { isThere, toneOfHost, toneOfWatcher } from "../judge.ts";
import type { HostView, WatcherView } from "../model.ts";
import { href } from "../state.ts";
import { duration } from "../words.ts";
import { Ago, GoneMark, watcherWord } from "./marks.tsx";

const LINE_PX = 36;
/** Lines are made so many at a time, and so many more than are seen. */
const STEP_LINES = 4;
const SPARE_LINES = 6;
/** Characters of a column: `was stopping` in its mark; names that are longer than this are cut. */
const [WORD_CH, NAME_MAX_CH, HEARD_CH] = [11, 28, 13];

interface GridProps {
  /** The element that scrolls. */
  readonly box: RefObject<HTMLDivElement | null>;
  readonly hosts: readonly HostView[];
  /** The same object while they are the same. */
  readonly watchers: readonly string[];
  readonly isPast: boolean;
}

/** No `<table>`: a browser lays one out as a whole, which is too slow for each line that comes into sight. */
export function Grid({ box, hosts, watchers, isPast }: GridProps) {
  const [first, last, slots] = useLines(box, hosts.length);
  const widths = useMemo(() => widthsOf(hosts, watchers), [hosts.length, watchers]);
  const style = {
    "--columns": widths.map((ch) => `${ch}ch`).join(" "),
    "--width": `${widths.reduce((sum, ch) => sum + ch, 0)}ch`,
  };
  return (
    <div class="grid" ref={box} tabIndex={0} role="region" aria-label="Hosts and their watchers">
      <div role="table" aria-rowcount={hosts.length + 1} aria-label="Hosts and their watchers" style={style}>
        <div role="rowgroup" class="names">
          <div role="row" class="row" aria-rowindex={1}>
            <div role="columnheader">Host</div>
            <div role="columnheader">{isPast ? "Then" : "Heard"}</div>
            {watchers.map((name) => (
              <div role="columnheader" key={name}>
                <a href={href("watcher", name)} title={name}>
                  {name}
                </a>
              </div>
            ))}
          </div>
        </div>
        <div
          role="rowgroup"
          class="lines"
          onPointerOver={(event) => explain(event, hosts, watchers)}
          style={{ height: `${hosts.length * LINE_PX}px` }}
        >
          {hosts.slice(first, last).map((host, at) => (
            <Line key={(first + at) % slots} host={host} watchers={watchers} isPast={isPast} index={first + at} />
          ))}
        </div>
      </div>
      {hosts.length === 0 && <p class="empty">No host matches.</p>}
    </div>
  );
}

/** Characters of each column. */
function widthsOf(hosts: readonly HostView[], watchers: readonly string[]): readonly number[] {
  const host = Math.max(8, ...hosts.map(({ host: name }) => name.length)) + 4;
  const columns = watchers.map((name) => Math.max(WORD_CH, name.length + 2));
  return [host, HEARD_CH, ...columns].map((ch) => Math.min(NAME_MAX_CH, ch));
}

/**
 * @returns which lines are in sight, and some more: from the first on, before the last; and after how many lines an
 * element is used again: to change words is cheaper than to make elements
 */
function useLines(box: RefObject<HTMLDivElement | null>, count: number): readonly [number, number, number] {
  const [{ from, seen }, setView] = useState({ from: 0, seen: 24 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = (): void => {
      const steps = (px: number): number => Math.floor(px / LINE_PX / STEP_LINES) * STEP_LINES;
      const [top, height] = [steps(element.scrollTop), steps(element.clientHeight) + 2 * STEP_LINES];
      setView((before) => (before.from === top && before.seen === height ? before : { from: top, seen: height }));
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  const slots = seen + 2 * SPARE_LINES;
  const first = Math.max(0, Math.min(from - SPARE_LINES, count - slots));
  return [first, Math.min(count, first + slots), slots];
}

interface LineProps {
  readonly host: HostView;
  readonly watchers: readonly string[];
  readonly isPast: boolean;
  readonly index: number;
}

const Line = memo(function Line({ host, watchers, isPast, index }: LineProps) {
  const line = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // Who had the focus on a host that is out of sight has it on no other.
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && line.current?.contains(focused) === true) focused.blur();
  }, [host.host]);
  return (
    <div
      role="row"
      ref={line}
      class={`row host ${toneOfHost(host)}`}
      aria-rowindex={index + 2}
      style={{ top: `${index * LINE_PX}px` }}
    >
      <div role="rowheader">
        <a href={href("host", host.host)} title={host.host}>
          {host.host}
        </a>
      </div>
      <div role="cell" class="heard">
        {isPast ? "as stored" : isThere(host) ? <Ago time={host.heard} /> : <GoneMark host={host} />}
      </div>
      {watchers.map((name) => (
        <div role="cell" key={name}>
          {cell(host, host.watchers.get(name), isPast)}
        </div>
      ))}
    </div>
  );
});

/** No component: there are hundreds in sight. */
function cell(host: HostView, watcher: WatcherView | undefined, isPast: boolean) {
  if (watcher === undefined) return null;
  const word = isPast ? watcher.state : watcherWord(watcher);
  const isKnown = isThere(host);
  return (
    <span class={`mark ${isKnown ? toneOfWatcher(watcher) : "unknown"}`}>
      {isKnown || word === "unknown" ? word : `was ${word}`}
    </span>
  );
}

/** Why, and since when: made for the cell under the pointer, not for all. */
function explain(event: PointerEvent, hosts: readonly HostView[], watchers: readonly string[]): void {
  const element = (event.target as HTMLElement).closest('[role="cell"]');
  const line = element?.parentElement;
  if (element === null || line === null || line === undefined) return;
  const host = hosts[Number(line.getAttribute("aria-rowindex")) - 2];
  const watcher = host?.watchers.get(watchers[[...line.children].indexOf(element) - 2] ?? "");
  if (watcher === undefined) return;
  const { state, since, reason } = watcher;
  element.setAttribute("title", reason ?? `${state} for ${duration(Date.now() - since)}`);
}
