/** Handlers of `stats` and `dstats` (reference §5.6, §8.1). */
import { CircusError } from "@circus-cluster/proto";
import type { GONE, ProcessRecord } from "../stats/sampler.ts";
import type { ProcessView, WatcherControl } from "../watcher/api.ts";
import type { AgentView } from "./agent-view.ts";
import { type Checked, type Fields, named, textOf } from "./properties.ts";
import { pythonRepr } from "./python-text.ts";

export async function stats(agent: AgentView, properties: Checked): Promise<Fields> {
  const name = textOf(properties, "name");
  if (name === undefined) {
    // Circus ignores `extended` here: nobody wants to wait for the hooks of all watchers.
    const infos = agent.watchers().map((watcher) => [watcher.config.name, recordsOf(agent, watcher)] as const);
    return { infos: Object.fromEntries(infos) };
  }
  const watcher = named(agent, properties);
  const { process: pid, extended } = properties as { readonly process?: number; readonly extended?: boolean };
  const records = recordsOf(agent, watcher, pid);
  if (pid !== undefined && records[pid] === undefined) {
    throw new CircusError("message", `process ${pid} not found in ${pythonRepr(name)}`);
  }
  const info = extended === true ? await extend(watcher, records) : records;
  return pid === undefined ? { name, info } : { process: pid, info: info[pid] };
}

export function dstats(agent: AgentView): Fields {
  const record = agent.sample(process.pid, null);
  return { info: typeof record === "string" ? record : { ...record, children: [] } };
}

type Records = Readonly<Record<string, ProcessRecord | typeof GONE>>;

/** @param pid that one only; else all */
function recordsOf(agent: AgentView, watcher: WatcherControl, pid?: number): Records {
  const chosen = watcher.processes().filter((process) => pid === undefined || process.pid === pid);
  const record = (process: ProcessView) => [String(process.pid), agent.sample(process.pid, process)] as const;
  return Object.fromEntries(chosen.map(record));
}

/** The one place where `--extended` comes in: the `extended_stats` hook adds to each record what it knows. */
async function extend(watcher: WatcherControl, records: Records): Promise<Records> {
  const extended: Record<string, ProcessRecord | typeof GONE> = {};
  for (const [pid, record] of Object.entries(records)) {
    extended[pid] =
      typeof record === "string" ? record : { ...record, ...(await watcher.extendStats(Number(pid), { ...record })) };
  }
  return extended;
}
