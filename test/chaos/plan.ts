/**
 * What is done when, from a seed alone. The schedule is made before the run, with a model of what is in trouble when,
 * so that the fleet always can serve: see {@link clash}. A run that lags behind does the same deeds, only later.
 */
import { type Chance, chance } from "../support/chance.ts";
import { CHANGES, CLOCK_JUMPS_MS, FAULTS, type Fault, type Need, type Part } from "./faults.ts";

export interface Topology {
  readonly hosts: readonly string[];
  readonly controllers: readonly string[];
  /** Where nats-server is. */
  readonly centre: string;
  /** Name, and how many processes it has on each host. */
  readonly watchers: Readonly<Record<string, number>>;
  readonly can: ReadonlySet<Need>;
}

export interface Deed {
  /** Since the start of the run. */
  readonly atMs: number;
  readonly forMs: number;
  readonly kind: string;
  readonly hits: Part;
  /** A host, a controller, the centre; of a change of the whole fleet: empty. */
  readonly target: string;
  /** Of a worker: which watcher. */
  readonly watcher?: string;
  /** Of a worker: which of the processes, by number. Of a change: which of its ways. Of a clock: which of its jumps. */
  readonly nth?: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly lengthMs: number;
  /** Only the kinds of the short run. */
  readonly isShort: boolean;
}

/** Before the first and after the last deed. */
const CALM_MS = 5000;
/** A part is left alone so long after it is well again: it has to show that it is. */
const REST_MS = 2000;
/** Of a watcher on one host, between two of its processes in trouble: a successor has to be there first. */
const SUCCESSOR_MS = 6000;
/** Between two faults, at most. */
const GAP_MS = 3500;
const CHANGE_EVERY_MS = 8000;
const TRIES = 20;

/** Faults and changes, the earliest first. */
export function makePlan(options: PlanOptions, topology: Topology): readonly Deed[] {
  const dice = chance(options.seed);
  const kinds = FAULTS.filter(
    ({ needs, isInShort }) => (needs === null || topology.can.has(needs)) && (isInShort || !options.isShort),
  );
  const end = options.lengthMs - CALM_MS;
  const faults: Deed[] = [];
  for (let atMs = CALM_MS; atMs < end; atMs += 200 + dice.below(GAP_MS)) {
    for (let tries = 0; tries < TRIES; tries++) {
      const deed = draw(weighted(kinds, dice), atMs, topology, dice);
      if (deed.atMs + deed.forMs > end || faults.some((other) => clash(deed, other, topology) !== null)) continue;
      if (tooMany(deed, faults, topology)) continue;
      faults.push(deed);
      break;
    }
  }
  const changes: Deed[] = [];
  for (let atMs = CALM_MS / 2; atMs < end; atMs += CHANGE_EVERY_MS / 2 + dice.below(CHANGE_EVERY_MS)) {
    // The first is always a rolling restart, so that no run is without.
    const kind = changes.length === 0 ? "rollout-web" : dice.pick(CHANGES);
    const target = kind.startsWith("restart") ? dice.pick(topology.hosts) : "";
    changes.push({ atMs, forMs: 0, kind, hits: "fleet", target, nth: dice.below(2) });
  }
  return [...faults, ...changes].sort((a, b) => a.atMs - b.atMs);
}

function weighted(kinds: readonly Fault[], dice: Chance): Fault {
  let at = dice.next() * kinds.reduce((sum, { weight }) => sum + weight, 0);
  return kinds.find(({ weight }) => (at -= weight) < 0) ?? kinds[0]!;
}

function draw({ kind, hits, lastsMs }: Fault, atMs: number, topology: Topology, dice: Chance): Deed {
  const { hosts, controllers, centre, watchers } = topology;
  const [least, most] = lastsMs;
  const forMs = least + dice.below(most - least + 1);
  const targets: Record<Part, readonly string[]> = {
    worker: hosts,
    agent: hosts,
    controller: controllers,
    nats: [centre],
    link: [...hosts, ...controllers, centre],
    fleet: [""],
  };
  const deed = { atMs, forMs, kind, hits, target: dice.pick(targets[hits]) };
  if (kind.endsWith("-clock")) return { ...deed, nth: dice.below(CLOCK_JUMPS_MS.length) };
  if (hits !== "worker") return deed;
  const watcher = dice.pick(Object.keys(watchers));
  return { ...deed, watcher, nth: dice.below(watchers[watcher] ?? 1) };
}

/** Why two deeds may not both be; null: they may. */
export function clash(a: Deed, b: Deed, { controllers }: Topology): string | null {
  const within = (restMs: number): boolean => a.atMs < b.atMs + b.forMs + restMs && b.atMs < a.atMs + a.forMs + restMs;
  const onController = (deed: Deed): boolean => controllers.includes(deed.target);
  if (a.hits === "worker" && b.hits === "worker") {
    const same = a.target === b.target && a.watcher === b.watcher;
    return same && within(SUCCESSOR_MS) ? "one process of a watcher at a time" : null;
  }
  if (a.hits === b.hits && a.target === b.target && within(REST_MS)) return "one trouble of a part at a time";
  if (onController(a) && onController(b) && within(REST_MS)) return "one controller at a time";
  return null;
}

/**
 * Would more than half of the hosts be without agent or link at once? Or two processes of one watcher while its agent,
 * which alone replaces them, is away?
 */
function tooMany(deed: Deed, others: readonly Deed[], { hosts }: Topology): boolean {
  const meets = (a: Deed, b: Deed): boolean =>
    a.atMs < b.atMs + b.forMs + REST_MS && b.atMs < a.atMs + a.forMs + REST_MS;
  const isAway = ({ hits, target }: Deed): boolean => (hits === "agent" || hits === "link") && hosts.includes(target);
  const isOfHost = (a: Deed): boolean => a.target === deed.target;
  if (isAway(deed)) {
    const away = new Set(others.filter((other) => isAway(other) && meets(deed, other)).map(({ target }) => target));
    if (away.size >= Math.ceil(hosts.length / 2) && !away.has(deed.target)) return true;
  }
  const periods = [deed, ...others].filter((one) => one.hits === "agent" && isOfHost(one));
  const workers = [deed, ...others].filter((one) => one.hits === "worker" && isOfHost(one));
  return periods.some((period) => {
    const hit = workers.filter((one) => meets(one, period)).map(({ watcher }) => watcher);
    return new Set(hit).size < hit.length;
  });
}
