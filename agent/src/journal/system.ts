/** By what a later agent knows what an earlier one wrote: the boot and the clock that both share. */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Millis } from "@circus-cluster/proto";

/** The boot of the host, and whose numbers of processes these are: those of another container are others. */
export function bootOf(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
}

/** What the system's monotonic clock shows at the zero of `performance.now()`. */
export function clockZeroMs(): Millis {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}

/** The beginning of the ids of all processes whose agent keeps its journal in this directory. */
export function ownerOf(stateDir: string): string {
  return createHash("sha256").update(realpathSync(stateDir)).digest("hex").slice(0, 12);
}
