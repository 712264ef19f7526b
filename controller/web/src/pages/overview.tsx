/** The whole fleet: a line a host, a column a watcher, what is wrong first; or as it was at any moment. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { clock } from "../clock.ts";
import { isWrong, matcher } from "../filter.ts";
import type { HostView } from "../model.ts";
import { compareNames, NO_ORDER, orderOf } from "../order.ts";
import { Grid } from "../parts/grid.tsx";
import { Mark, Trouble } from "../parts/marks.tsx";
import { usePast } from "../parts/past.ts";
import { Scrubber } from "../parts/scrubber.tsx";
import { now, picture, route } from "../state.ts";
import { plural } from "../words.ts";

/** A pointer that rested for so long is about to do nothing. */
const REST_MS = 5000;

export function Overview() {
  const [filter, setFilter] = useFilter();
  const at = useSignal<number | null>(null);
  const past = usePast(at.value);
  const isPast = at.value !== null;
  const { hosts } = isPast ? (past.picture ?? picture.value) : picture.value;
  const { box, isHeld, onPointerMove, release } = useHold();
  const order = useRef(NO_ORDER);
  order.current = orderOf(isPast ? NO_ORDER : order.current, hosts, now.value, !isPast && isHeld());
  const matches = matcher(filter.value);
  const shown = order.current.names
    .map((name) => hosts.get(name))
    .filter((host): host is HostView => host !== undefined && matches(host));
  const all = [...hosts.values()];
  const wrong = all.filter(isWrong).length;
  const watchers = useSame(namesOf(shown));
  return (
    <>
      <div class="head">
        <h1>
          {plural(hosts.size, "host")}, {plural(namesOf(all).length, "watcher")}
        </h1>
        {at.value === null ? (
          <Mark tone={wrong === 0 ? "good" : "bad"}>
            {wrong === 0 ? "all well" : `${plural(wrong, "host")} in trouble`}
          </Mark>
        ) : (
          <Mark tone="unknown">as it was at {clock(at.value)}</Mark>
        )}
        <Filter text={filter.value} onChange={setFilter} />
        <a class="button" href="#/start">
          Start a rollout…
        </a>
      </div>
      <Scrubber at={at.value} onChange={(time) => (at.value = time)} />
      <Trouble text={past.trouble} />
      {hosts.size === 0 ? (
        <p class="empty">No host has been heard yet. A host joins by a [fleet] section in its circus.ini.</p>
      ) : (
        <div class="held" onPointerMove={onPointerMove}>
          <Grid box={box} hosts={shown} watchers={watchers} isPast={isPast} />
          {order.current.below > 0 && (
            <button type="button" class="below" onClick={release}>
              {plural(order.current.below, "more host")} in trouble: to the top
            </button>
          )}
        </div>
      )}
    </>
  );
}

/** Kept in the address: a link has it, and who comes back from a host finds it. */
function useFilter() {
  const { query } = route.value;
  const filter = useSignal(query.get("filter") ?? "");
  useEffect(() => {
    filter.value = query.get("filter") ?? "";
  }, [query]);
  const change = (text: string): void => {
    filter.value = text;
    // Only by the reader's own hand: the address may have changed already to another page that is not shown yet.
    history.replaceState(null, "", text === "" ? "#/" : `#/?${new URLSearchParams({ filter: text }).toString()}`);
  };
  return [filter, change] as const;
}

/** In the order of names. */
function namesOf(hosts: readonly HostView[]): readonly string[] {
  const names = new Set<string>();
  for (const host of hosts) for (const name of host.watchers.keys()) names.add(name);
  return [...names].sort(compareNames);
}

/** The list of before while it is the same. */
function useSame(list: readonly string[]): readonly string[] {
  const before = useRef(list);
  if (list.length !== before.current.length || list.some((one, index) => one !== before.current[index])) {
    before.current = list;
  }
  return before.current;
}

/** Lines stay where they are while somebody is about to use one: points, has the focus in one, or has scrolled. */
function useHold() {
  const box = useRef<HTMLDivElement>(null);
  const moved = useRef(0);
  return {
    box,
    isHeld: (): boolean => {
      const grid = box.current;
      if (grid === null) return false;
      const focused = document.activeElement;
      const isIn = focused !== null && focused !== grid && grid.contains(focused);
      return isIn || grid.scrollTop > 0 || Date.now() - moved.current < REST_MS;
    },
    onPointerMove: (): void => {
      moved.current = Date.now();
    },
    release: (): void => {
      moved.current = 0;
      box.current?.scrollTo({ top: 0 });
      now.value = Date.now();
    },
  };
}

function Filter({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <input
      ref={input}
      class="filter"
      type="search"
      aria-label="Filter hosts"
      placeholder="filter: web, role=web, zone!=a, is:wrong   ( / )"
      value={text}
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}
