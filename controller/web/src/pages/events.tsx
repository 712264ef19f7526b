/** Events of the fleet, with filters; new ones appear while one looks. */
import { useSignal } from "@preact/signals";
import { useAsk } from "../ask.ts";
import { EventTable } from "../parts/event-table.tsx";
import { Trouble } from "../parts/marks.tsx";
import { route } from "../state.ts";

const SPANS: readonly (readonly [string, number])[] = [
  ["15 minutes", 900_000],
  ["1 hour", 3_600_000],
  ["24 hours", 86_400_000],
  ["7 days", 604_800_000],
];
const NAMES = ["watcher", "hosts", "kinds", "actor"] as const;
const HINTS: Readonly<Record<(typeof NAMES)[number], string>> = {
  watcher: "myworker",
  hosts: "web1,web2",
  kinds: "process_exited",
  actor: "who asked",
};
const LIMIT = 500;

export function EventsPage() {
  const { query } = route.value;
  const filters = useSignal<Readonly<Record<string, string>>>(
    Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""])),
  );
  const span = useSignal(SPANS[1]?.[1] ?? 0);
  const key = JSON.stringify([filters.value, span.value]);
  const asked = useAsk("events", () => ({ ...filters.value, since: Date.now() - span.value, limit: LIMIT }), key, 2000);
  return (
    <>
      <div class="head">
        <h1>Events</h1>
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Since
          <select value={String(span.value)} onChange={(event) => (span.value = Number(event.currentTarget.value))}>
            {SPANS.map(([title, ms]) => (
              <option key={ms} value={String(ms)}>
                last {title}
              </option>
            ))}
          </select>
        </label>
        {NAMES.map((name) => (
          <label key={name}>
            {name.replace(/s$/, "")}
            <input
              value={filters.value[name]}
              placeholder={HINTS[name]}
              onChange={(event) => (filters.value = { ...filters.value, [name]: event.currentTarget.value.trim() })}
            />
          </label>
        ))}
      </form>
      <Trouble text={asked.trouble} />
      {asked.value !== null && (
        <>
          <p class="hint">
            {asked.value.truncated ? `The newest ${LIMIT} of more.` : `${asked.value.rows.length} events.`}
            {asked.value.gaps.length > 0 && " Some events never came: the history has gaps."}
          </p>
          <EventTable rows={asked.value.rows} isHostShown />
        </>
      )}
    </>
  );
}
