/** Small things that every page shows: a state in a word and a colour, an age, a trouble. */
import type { ComponentChildren } from "preact";
import { clock } from "../clock.ts";
import type { Tone } from "../judge.ts";
import { toneOfPresence, toneOfWatcher } from "../judge.ts";
import type { HostView, WatcherView } from "../model.ts";
import { now } from "../state.ts";
import { ago, duration } from "../words.ts";

export function Mark({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`mark ${tone}`}>{children}</span>;
}

export function PresenceMark({ host }: { host: HostView }) {
  return <Mark tone={toneOfPresence(host.presence)}>{host.presence}</Mark>;
}

/** `lost 3m`: of a host that is not there, and since when it was not heard. */
export function GoneMark({ host: { presence, heard } }: { host: HostView }) {
  const age = heard === null ? "" : ` ${duration(now.value - heard).split(" ")[0] ?? ""}`;
  return (
    <span title={heard === null ? "never heard" : `heard last ${clock(heard)}`}>
      <Mark tone={toneOfPresence(presence)}>
        {presence}
        {age}
      </Mark>
    </span>
  );
}

export function WatcherMark({ watcher }: { watcher: WatcherView }) {
  return <Mark tone={toneOfWatcher(watcher)}>{watcherWord(watcher)}</Mark>;
}

/** `2/2`, or the state where that says more. */
export function watcherWord({ state, healthy, running, numprocesses }: WatcherView): string {
  if (state !== "active") return state;
  return `${healthy}/${numprocesses ?? running}`;
}

/** A moment as its age; the title has it to the second. */
export function Ago({ time }: { time: number | null }) {
  if (time === null) return <span>never</span>;
  return (
    <time dateTime={new Date(time).toISOString()} title={clock(time)}>
      {ago(time, now.value)}
    </time>
  );
}

export function Trouble({ text }: { text: string | null }) {
  return text === null ? null : (
    <p class="trouble" role="alert">
      {text}
    </p>
  );
}
