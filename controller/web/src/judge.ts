/** How bad is it? One scale for hosts and watchers, so that what is wrong comes first. Pure. */
import type { HostView, WatcherView } from "./model.ts";

/** From bad to good. */
const TONES = ["bad", "warn", "unknown", "busy", "off", "good"] as const;
export type Tone = (typeof TONES)[number];

export function toneOfState(state: WatcherView["state"]): Tone {
  switch (state) {
    case "failed":
      return "bad";
    case "starting":
    case "stopping":
      return "busy";
    case "stopped":
      return "off";
    case "active":
      return "good";
    default:
      return "unknown";
  }
}

export function toneOfWatcher({ state, numprocesses, running, healthy }: WatcherView): Tone {
  if (state !== "active") return toneOfState(state);
  if (numprocesses !== null && numprocesses > 0 && running === 0) return "bad";
  return healthy < (numprocesses ?? running) ? "warn" : "good";
}

export function toneOfPresence(presence: HostView["presence"]): Tone {
  switch (presence) {
    case "lost":
      return "bad";
    case "late":
      return "warn";
    case "online":
      return "good";
    case "left":
      return "off";
    default:
      return "unknown";
  }
}

/** It is heard, so that what is known of its watchers holds. */
export function isThere({ presence }: HostView): boolean {
  return presence === "online" || presence === "late";
}

/** Of the host and all that it runs. A host that nobody hears: its watchers are not known to be anything. */
export function toneOfHost(host: HostView): Tone {
  const own = toneOfPresence(host.presence);
  return isThere(host) ? worst([own, toneOfWatchers(host.watchers)]) : own;
}

/** 0: the worst; all that is no trouble is one rank, whatever it is busy with. */
export function troubleOf(host: HostView): number {
  return Math.min(TONES.indexOf(toneOfHost(host)), NO_TROUBLE);
}

export const NO_TROUBLE = TONES.indexOf("busy");

/** Each is asked for several times a second, and hardly one of a thousand has changed. */
const known = new WeakMap<HostView["watchers"], Tone>();

function toneOfWatchers(watchers: HostView["watchers"]): Tone {
  const before = known.get(watchers);
  if (before !== undefined) return before;
  const tone = worst([...watchers.values()].map((one) => toneOfWatcher(one)));
  known.set(watchers, tone);
  return tone;
}

function worst(tones: readonly Tone[]): Tone {
  let rank = TONES.length - 1;
  for (const tone of tones) rank = Math.min(rank, TONES.indexOf(tone));
  return TONES[rank] ?? "good";
}
