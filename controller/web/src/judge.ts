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

/** Of the host and all that it runs. A host that nobody hears: its watchers are not known to be anything. */
export function toneOfHost(host: HostView): Tone {
  const tones = [toneOfPresence(host.presence), ...[...host.watchers.values()].map((one) => toneOfWatcher(one))];
  return worst(host.presence === "online" || host.presence === "late" ? tones : tones.slice(0, 1));
}

function worst(tones: readonly Tone[]): Tone {
  let rank = TONES.length - 1;
  for (const tone of tones) rank = Math.min(rank, TONES.indexOf(tone));
  return TONES[rank] ?? "good";
}

/** The worst hosts first, else by name. */
export function byTrouble(hosts: Iterable<HostView>): readonly HostView[] {
  const ranked = [...hosts].map((host) => ({ host, rank: TONES.indexOf(toneOfHost(host)) }));
  // Whatever is busy, switched off or well is no trouble: those stand by name.
  const trouble = TONES.indexOf("unknown");
  const key = (rank: number): number => Math.min(rank, trouble + 1);
  ranked.sort((a, b) => key(a.rank) - key(b.rank) || (a.host.host < b.host.host ? -1 : 1));
  return ranked.map(({ host }) => host);
}
