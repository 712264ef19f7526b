/** Times and numbers as people read them. Pure. */
import { formatDuration } from "@circus-cluster/proto";

/** `3m 20s`; the two largest units. */
export function duration(ms: number): string {
  return ms < 1000 ? "0s" : formatDuration(ms).replaceAll(/(?<=[a-z])(?=\d)/g, " ");
}

export function ago(then: number | null, now: number): string {
  return then === null ? "never" : now - then < 1500 ? "just now" : `${duration(now - then)} ago`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
