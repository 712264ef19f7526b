/** Messages of the statistics stream: topics and payloads of reference §8.2, one round after another. Pure. */
import type { SocketItem } from "../sockets/registry.ts";
import type { Connections } from "./connections.ts";
import type { ProcessRecord } from "./sampler.ts";

export interface StatsMessage {
  readonly topic: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export const SOCKETS_TOPIC = "stat.sockets";
/** Of the agent itself. */
export const AGENT_SERIES = "circus";

/**
 * The name of a watcher in a topic: lower case, `_` for blanks as in events, and `-` for dots: clients split topics at
 * dots, so that in Circus a watcher with one is never shown (D4); circus-top writes `.` for `-`.
 */
export function seriesName(watcher: string): string {
  return watcher.toLowerCase().replaceAll(" ", "_").replaceAll(".", "-");
}

/** One message per process, then their sum; none where there is no process. */
export function processMessages(
  series: string,
  records: readonly ProcessRecord[],
  nameOf: (pid: number) => string | null = () => null,
): readonly StatsMessage[] {
  if (records.length === 0) return [];
  const single = records.map(({ wid: _wid, started: _started, ...record }) => ({
    topic: `stat.${series}.${record.pid}`,
    payload: { ...record, children: [], subtopic: record.pid, name: nameOf(record.pid) },
  }));
  return [...single, { topic: `stat.${series}`, payload: aggregate(records) }];
}

/** CPU on average, memory in sum, the age of the oldest; `N/A` where one of the numbers is. */
function aggregate(records: readonly ProcessRecord[]): Readonly<Record<string, unknown>> {
  const cpus = numbers(records.map(({ cpu }) => cpu));
  const mems = numbers(records.map(({ mem }) => mem));
  const ages = records.map(({ age }) => age).filter((age) => age !== "N/A");
  return {
    pid: records.map(({ pid }) => pid),
    cpu: cpus === null ? "N/A" : sum(cpus) / cpus.length,
    mem: mems === null ? "N/A" : sum(mems),
    age: ages.length === 0 ? "N/A" : Math.max(...ages),
  };
}

/** Null where one is missing. */
function numbers(values: readonly (number | "N/A")[]): readonly number[] | null {
  const found = values.filter((value) => value !== "N/A");
  return found.length === values.length ? found : null;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * One message per socket, then their sum; none where there is no socket. `reads` are the connections there are at this
 * moment: Circus's number of polls says nothing (D21). `waiting` is ours.
 */
export function socketMessages(
  sockets: readonly SocketItem[],
  counts: ReadonlyMap<number, Connections>,
): readonly StatsMessage[] {
  if (sockets.length === 0) return [];
  const addresses = sockets.map(addressOf);
  const found = sockets.map(({ fd }) => counts.get(fd) ?? { open: 0, waiting: 0 });
  const single = sockets.map(({ fd }, i) => ({
    topic: `${SOCKETS_TOPIC}.${fd}`,
    payload: { fd, subtopic: fd, reads: found[i]?.open ?? 0, waiting: found[i]?.waiting ?? 0, address: addresses[i] },
  }));
  const reads = sum(found.map(({ open }) => open));
  return [...single, { topic: SOCKETS_TOPIC, payload: { addresses, reads } }];
}

function addressOf(socket: SocketItem): string {
  return "path" in socket ? socket.path : `${socket.host}:${socket.port}`;
}
