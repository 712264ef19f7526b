/** The whole fleet: a line a host, a column a watcher, what is wrong first; or as it was at any moment. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { clock } from "../clock.ts";
import { isWrong, matches } from "../filter.ts";
import { byTrouble } from "../judge.ts";
import { Grid } from "../parts/grid.tsx";
import { Mark, Trouble } from "../parts/marks.tsx";
import { usePast } from "../parts/past.ts";
import { Scrubber } from "../parts/scrubber.tsx";
import { picture } from "../state.ts";
import { plural } from "../words.ts";

export function Overview() {
  const filter = useSignal("");
  const at = useSignal<number | null>(null);
  const past = usePast(at.value);
  const hosts = [...(at.value === null ? picture.value : (past.picture ?? picture.value)).hosts.values()];
  const shown = byTrouble(hosts.filter((host) => matches(host, filter.value)));
  const watchers = new Set(hosts.flatMap((host) => [...host.watchers.keys()]));
  const wrong = hosts.filter(isWrong).length;
  return (
    <>
      <div class="head">
        <h1>
          {plural(hosts.length, "host")}, {plural(watchers.size, "watcher")}
        </h1>
        {at.value === null ? (
          <Mark tone={wrong === 0 ? "good" : "bad"}>
            {wrong === 0 ? "all well" : `${plural(wrong, "host")} in trouble`}
          </Mark>
        ) : (
          <Mark tone="unknown">as it was at {clock(at.value)}</Mark>
        )}
        <Filter text={filter.value} onChange={(text) => (filter.value = text)} />
        <a class="button" href="#/start">
          Start a rollout…
        </a>
      </div>
      <Scrubber at={at.value} onChange={(time) => (at.value = time)} />
      <Trouble text={past.trouble} />
      {hosts.length === 0 ? (
        <p class="empty">No host has been heard yet. A host joins by a [fleet] section in its circus.ini.</p>
      ) : (
        <Grid hosts={shown} watchers={[...watchers].sort()} isPast={at.value !== null} />
      )}
    </>
  );
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
