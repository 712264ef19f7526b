/** Every kind of trouble, and every change that is asked for meanwhile: one line each. */

/** What a deed is done to: it names the part in `Deed.target`. */
export type Part = "worker" | "agent" | "controller" | "nats" | "link" | "fleet";
/** What a machine may lack. */
export type Need = "namespaces" | "disk";

export interface Fault {
  readonly kind: string;
  readonly hits: Part;
  /** How long it lasts, shortest and longest; 0: it is over at once. */
  readonly lastsMs: readonly [number, number];
  /** Chance against the others. */
  readonly weight: number;
  readonly needs: Need | null;
  /** Also in the short run inside `npm test`. */
  readonly isInShort: boolean;
}

const line = (
  ...[kind, hits, lastsMs, weight, needs, isInShort]: [string, Part, [number, number], number, Need | null, boolean]
): Fault => ({ kind, hits, lastsMs, weight, needs, isInShort });

export const FAULTS: readonly Fault[] = [
  line("worker-kill", "worker", [0, 0], 10, null, true),
  line("worker-stop", "worker", [300, 4000], 5, null, true),
  line("agent-kill", "agent", [200, 8000], 5, null, true),
  line("agent-upgrade", "agent", [100, 2000], 2, null, true),
  line("agent-stop", "agent", [1000, 25_000], 3, null, true),
  line("controller-kill", "controller", [500, 12_000], 3, null, true),
  line("controller-stop", "controller", [1000, 15_000], 3, null, false),
  line("controller-restart", "controller", [100, 1000], 1, null, false),
  line("nats-kill", "nats", [200, 8000], 2, null, true),
  line("nats-stop", "nats", [500, 8000], 2, null, false),
  line("nats-restart", "nats", [100, 1000], 1, null, false),
  line("link-cut", "link", [500, 25_000], 5, "namespaces", true),
  line("link-slow", "link", [3000, 20_000], 3, "namespaces", false),
  line("disk-full", "agent", [2000, 15_000], 2, "disk", false),
  line("agent-clock", "agent", [3000, 15_000], 2, null, false),
  line("controller-clock", "controller", [3000, 15_000], 2, null, false),
];

/** By how much a clock is set, in ms, and back again. */
export const CLOCK_JUMPS_MS = [-86_400_000, -60_000, 90_000, 86_400_000] as const;

/** What operators do meanwhile. The first two are followed to their end. */
export const CHANGES = ["rollout-web", "rollout-writer", "retry", "restart-writer", "restart-redis", "status"] as const;
