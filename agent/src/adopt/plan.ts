/**
 * What becomes of what an agent before us left: who goes on, who is ended first, and the configuration that describes
 * what runs. From there to the one of the file it is a reload like any other. Pure.
 */
import { diffConfig } from "../config/diff.ts";
import { isPlugin } from "../config/plugin-name.ts";
import type { AgentConfig, WatcherConfig } from "../config/types.ts";
import { withCopied } from "../journal/copied-env.ts";
import type { SocketMemory } from "../journal/records.ts";
import type { WatcherEntry } from "../journal/table.ts";
import type { SocketReturn } from "./sockets.ts";
import type { Finding, ProcessFact } from "./survey.ts";

/** How processes are ended that no watcher is known of. */
const PLAIN_STOP: StopRules = { stopSignal: 15, gracefulTimeoutS: 30, stopChildren: false };

type StopRules = Pick<WatcherConfig, "stopSignal" | "gracefulTimeoutS" | "stopChildren">;

/** A living process that has to go before anything is bound. */
export interface Ending {
  readonly pid: number;
  readonly ticks: number;
  /** Null: nobody knows. */
  readonly watcher: string | null;
  readonly wid: number;
  readonly rules: StopRules;
  /** For people. */
  readonly why: string;
}

export interface AdoptionPlan {
  /** Watchers that go on where they were, by name; of their processes those that may. */
  readonly heirs: ReadonlyMap<string, Finding>;
  /** Names of watchers that nothing is to be remembered of. */
  readonly forgotten: readonly string[];
  readonly endings: readonly Ending[];
  /** What runs: the file's, but for what goes on as it was. */
  readonly base: AgentConfig;
  /** What is to run. */
  readonly wanted: AgentConfig;
  /** There is something to be done between the two. */
  readonly isChanged: boolean;
}

export interface Findings {
  readonly findings: readonly Finding[];
  /** Of an agent before us, but not in its journal. */
  readonly strangers: readonly ProcessFact[];
  readonly sockets: Pick<SocketReturn, "withheld"> & {
    readonly recovered: readonly { readonly memory: SocketMemory }[];
  };
}

type OwnEnv = Readonly<Record<string, string | undefined>>;

/**
 * @param isRefused nobody is adopted (`--no-adopt`)
 * @param ownEnv environment of this agent
 */
export function planAdoption(
  { findings, strangers, sockets }: Findings,
  next: AgentConfig,
  isRefused: boolean,
  ownEnv: OwnEnv,
): AdoptionPlan {
  const whyNot = (finding: Finding, pid: number): string | null => {
    if (isRefused) return "--no-adopt";
    if (isPlugin(finding.name)) return "a plugin begins anew with circusd";
    const { memory, reason } = sockets.withheld.find(({ holders }) => holders.includes(pid)) ?? {};
    return memory === undefined ? null : `its socket '${memory.name}' cannot be taken over: ${reason ?? ""}`;
  };
  const endings = findings.flatMap((finding) =>
    finding.living.flatMap(({ pid, ticks, slot }): readonly Ending[] => {
      const why = whyNot(finding, pid);
      const { name, entry } = finding;
      return why === null ? [] : [{ pid, ticks, watcher: name, wid: slot.wid, rules: entry.config, why }];
    }),
  );
  const heirs = findings
    .filter((finding) => !isRefused && isHeir(finding, next))
    .map((finding) => {
      const like = next.watchers.find(({ name }) => name === finding.name) ?? null;
      const living = finding.living.filter(({ pid }) => whyNot(finding, pid) === null);
      return { ...finding, entry: renewed(finding.entry, like, ownEnv), living };
    });
  const byName = new Map(heirs.map((heir) => [heir.name, heir]));
  const added = heirs.filter(({ name, entry }) => entry.isAdded && !next.watchers.some((one) => one.name === name));
  const wanted = { ...next, watchers: inOrder([...next.watchers, ...added.map(({ entry }) => entry.written)]) };
  const base = baseOf(byName, isRefused ? [] : sockets.recovered.map(({ memory }) => memory), wanted);
  return {
    heirs: byName,
    forgotten: findings.flatMap(({ name }) => (byName.has(name) ? [] : [name])),
    endings: [
      ...endings,
      ...strangers.map(({ pid, ticks }) => {
        const why = "the damaged journal does not say whose it is";
        return { pid, ticks, watcher: null, wid: 0, rules: PLAIN_STOP, why };
      }),
    ],
    ...{ base, wanted },
    isChanged: isOther(base, wanted),
  };
}

/** A journal of an older version lacks what it did not know: there, nothing has changed. */
function renewed(entry: WatcherEntry, like: WatcherConfig | null, ownEnv: OwnEnv): WatcherEntry {
  const renew = (config: WatcherConfig): WatcherConfig => ({ ...like, ...withCopied(config, like, ownEnv) });
  const written = renew(entry.written);
  return { ...entry, written, config: entry.config === entry.written ? written : renew(entry.config) };
}

/** Whose past counts. One that the file has no more goes on only to be stopped as a reload would. */
function isHeir({ name, entry, living, gone }: Finding, next: AgentConfig): boolean {
  if (isPlugin(name)) return false;
  if (!entry.isAdded && !next.watchers.some((watcher) => watcher.name === name)) return living.length > 0;
  return entry.isAdded || entry.memory !== null || living.length + gone.length > 0;
}

function baseOf(
  heirs: ReadonlyMap<string, Finding>,
  recovered: readonly SocketMemory[],
  wanted: AgentConfig,
): AgentConfig {
  const others = wanted.watchers.filter(({ name }) => !heirs.has(name));
  const own = [...heirs.values()].map(({ entry }) => entry.written);
  // The newest of a name, where a reload was under way: what the others serve goes with them.
  const old = new Map(recovered.map((memory) => [memory.name, { at: null, ...memory.config }]));
  const fresh = wanted.sockets.filter(({ name }) => !old.has(name));
  return { ...wanted, watchers: inOrder([...others, ...own]), sockets: inOrder([...fresh, ...old.values()]) };
}

function isOther(base: AgentConfig, wanted: AgentConfig): boolean {
  const { sockets, watchers } = diffConfig(base, wanted);
  return (
    [sockets.added, sockets.removed, sockets.tuned, sockets.rebound].some((list) => list.length > 0) ||
    [watchers.added, watchers.removed, watchers.changed].some((list) => list.length > 0)
  );
}

function inOrder<T extends { readonly name: string }>(items: readonly T[]): readonly T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
