/** Two looks at what watchers use → what a host tells its fleet of the time between. Pure. */
import { REPORT_WATCHERS_MAX, type ReportedWatcher, type UsageReport } from "@circus-cluster/proto";
import type { Look } from "./usage-look.ts";

/** A watcher that was not there before began within the time. @param processors that the host has */
export function reportOf(before: Look, now: Look, processors: number): UsageReport {
  const span = Math.round(now.at - before.at);
  const watchers = [...now.usages].map(([name, { cpuS, rssBytes, processes }]): ReportedWatcher => {
    const cpuMs = Math.round((cpuS - (before.usages.get(name)?.cpuS ?? 0)) * 1000);
    // A process that an earlier agent has left tells of all its life at the first look.
    return [name, Math.min(Math.max(0, cpuMs), span * processors), rssBytes, processes];
  });
  return { v: 1, kind: "usage", span, watchers: mostUsing(watchers) };
}

function mostUsing(watchers: readonly ReportedWatcher[]): readonly ReportedWatcher[] {
  if (watchers.length <= REPORT_WATCHERS_MAX) return watchers;
  return [...watchers].sort((a, b) => b[1] - a[1] || b[2] - a[2]).slice(0, REPORT_WATCHERS_MAX);
}
