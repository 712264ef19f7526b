/** The output of a watcher on its hosts: the last lines, then what comes, while the page is open. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { ApiError, stream } from "../api.ts";
import { clock } from "../clock.ts";
import { filtered, type LogEntry, type LogRow, NO_ROWS, plainText, withLog } from "../log-view.ts";
import { Mark, Trouble } from "../parts/marks.tsx";
import { href, leave, picture, route, text } from "../state.ts";
import { plural } from "../words.ts";

/** How often what came is drawn. */
const DRAW_MS = 250;
const RETRY_MS = 2000;
const LINES = 100;
/** A reader so near to the end wants to see what comes. */
const NEAR_PX = 40;
/** Colours of hosts, see the style sheet. */
const COLOURS = 5;

export function LogsPage({ watcher: name }: { watcher: string }) {
  const chosen = useSignal(route.value.query.get("hosts") ?? "");
  const filter = useSignal("");
  const isPaused = useSignal(false);
  const view = useSignal(NO_ROWS);
  /** What a pause shows; null: none is. */
  const frozen = useSignal<readonly LogRow[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const hosts = [...picture.value.hosts.values()].filter((host) => host.watchers.has(name)).map(({ host }) => host);
  const rows = useComputed(() => filtered(frozen.value ?? view.value.rows, filter.value));

  useEffect(() => {
    const control = new AbortController();
    const waiting: LogEntry[] = [];
    view.value = NO_ROWS;
    frozen.value = null;
    isPaused.value = false;
    const draw = setInterval(() => {
      if (waiting.length > 0) view.value = withLog(view.value, waiting.splice(0));
    }, DRAW_MS);
    void follow(
      name,
      chosen.value,
      control.signal,
      (entry) => waiting.push(entry),
      (reason) => {
        trouble.value = reason;
      },
    );
    return () => {
      clearInterval(draw);
      control.abort();
    };
  }, [name, chosen.value]);

  const pause = (): void => {
    isPaused.value = !isPaused.value;
    frozen.value = isPaused.value ? view.value.rows : null;
  };
  const unseen = frozen.value === null ? 0 : view.value.key - ((frozen.value.at(-1)?.key ?? -1) + 1);
  return (
    <>
      <div class="head">
        <h1>
          Logs of <a href={href("watcher", name)}>{name}</a>
        </h1>
        <Mark tone={isPaused.value ? "warn" : "good"}>
          {isPaused.value ? `paused, ${plural(unseen, "new line")}` : "following"}
        </Mark>
        <label>
          <span class="visually-hidden">Hosts</span>
          <select value={chosen.value} onChange={(event) => (chosen.value = event.currentTarget.value)}>
            <option value="">all {plural(hosts.length, "host")}</option>
            {[...new Set([...hosts, ...(chosen.value === "" ? [] : [chosen.value])])].map((host) => (
              <option key={host}>{host}</option>
            ))}
          </select>
        </label>
        <button type="button" aria-pressed={isPaused.value} onClick={pause}>
          {isPaused.value ? "Resume" : "Pause"}
        </button>
        <input
          class="filter"
          type="search"
          aria-label="Filter lines"
          placeholder="filter lines"
          value={filter.value}
          onInput={(event) => (filter.value = event.currentTarget.value)}
        />
      </div>
      <Trouble text={trouble.value} />
      <Lines rows={rows.value} isFollowed={!isPaused.value} isHostShown={chosen.value === "" && hosts.length > 1} />
    </>
  );
}

interface LinesProps {
  readonly rows: readonly LogRow[];
  readonly isFollowed: boolean;
  readonly isHostShown: boolean;
}

/** Stays at the end while the reader is there. */
function Lines({ rows, isFollowed, isHostShown }: LinesProps) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && isAtEnd.current && isFollowed) element.scrollTop = element.scrollHeight;
  }, [rows, isFollowed]);
  const onScroll = (): void => {
    const element = box.current;
    if (element === null) return;
    isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
  };
  return (
    <div class="log" ref={box} tabIndex={0} role="log" aria-live="off" aria-label="Lines" onScroll={onScroll}>
      {rows.length === 0 && <p class="hint">No lines yet.</p>}
      {rows.map((row) => (
        <Line key={row.key} row={row} isHostShown={isHostShown} />
      ))}
    </div>
  );
}

function Line({ row: { host, pid, stream, time, text, isNote }, isHostShown }: { row: LogRow; isHostShown: boolean }) {
  return (
    <div class={isNote ? "note" : stream === "stderr" ? "stderr" : ""} title={time === null ? undefined : clock(time)}>
      {(isHostShown || isNote) && <span class={`from c${colourOf(host)}`}>{host} </span>}
      {pid !== null && <span class="pid">{pid} </span>}
      {plainText(text)}
    </div>
  );
}

function colourOf(host: string): number {
  let sum = 0;
  for (const character of host) sum = (sum * 31 + character.charCodeAt(0)) % 9973;
  return sum % COLOURS;
}

/** Until it is aborted; after a break it begins anew, with the last lines. */
async function follow(
  watcher: string,
  hosts: string,
  signal: AbortSignal,
  onEntry: (entry: LogEntry) => void,
  onTrouble: (reason: string | null) => void,
): Promise<void> {
  const given = { watcher, lines: String(LINES), ...(hosts === "" ? {} : { hosts }) };
  const path = `logs?${new URLSearchParams(given).toString()}`;
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      for await (const { event, data } of stream(path, null, signal)) {
        onTrouble(null);
        onEntry({ event, data: JSON.parse(data) as unknown });
      }
    } catch (error) {
      if (isOver()) return;
      if (error instanceof ApiError && error.status === 401) leave(error.message);
      onTrouble(text(error));
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
