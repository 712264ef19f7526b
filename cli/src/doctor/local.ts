/** The doctor's look at the agent of this machine. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { VERSION } from "@circus-cluster/proto";
import { askAgent } from "../clients/zmq.ts";
import type { Settings } from "../settings.ts";
import { type Finding, ok, warning, wrong } from "./finding.ts";
import { versionFinding } from "./judge.ts";

type Reply = Readonly<Record<string, unknown>>;

/** Descriptors that are in use of those that a process may have. */
const BUSY_SHARE = 0.8;

export async function localFindings(settings: Settings): Promise<readonly Finding[]> {
  const { endpoint } = settings;
  const status = await ask(settings, "status");
  if (typeof status === "string") return [unreachable(endpoint, status)];
  const watchers = Object.keys(status["statuses"] ?? {});
  const found = [ok("agent", `answers at ${endpoint}, ${watchers.length} watchers`)];
  const picture = await ask(settings, "snapshot");
  const snapshot = typeof picture === "string" ? undefined : (picture["snapshot"] as Reply | undefined);
  if (snapshot === undefined) found.push(ok("agent", "is Circus's own circusd, or an older one: it tells no more"));
  else {
    found.push(versionFinding("agent", "circusd", String(snapshot["version"]), VERSION));
    const failed = (snapshot["watchers"] as readonly Reply[]).filter(({ state }) => state === "failed");
    for (const { name, reason } of failed) {
      found.push(wrong("watcher", `${String(name)} failed: ${String(reason)}`, "mend it, then circusctl start"));
    }
  }
  const stats = await ask(settings, "dstats");
  const pid = typeof stats === "string" ? undefined : (stats["info"] as Reply | undefined)?.["pid"];
  return typeof pid === "number" ? [...found, ...descriptorFindings(pid)] : found;
}

function unreachable(endpoint: string, reason: string): Finding {
  const file = endpoint.startsWith("ipc://") ? endpoint.slice("ipc://".length) : null;
  if (file !== null && existsSync(file)) {
    return wrong(
      "agent",
      `nobody answers at ${endpoint}, though the socket is there`,
      "a killed circusd left it: start circusd, which replaces it",
    );
  }
  return wrong("agent", `${endpoint}: ${reason}`, "start circusd FILE.ini, or name another place by --endpoint");
}

/** The reply, or why there is none. */
async function ask({ endpoint, timeoutMs }: Settings, command: string): Promise<Reply | string> {
  const result = await askAgent({ endpoint, command, properties: {}, timeoutMs });
  if (result.kind === "timeout") return "no answer";
  if (result.kind === "failed") return result.reason;
  const reply = JSON.parse(result.text) as Reply;
  return reply["status"] === "error" ? String(reply["reason"]) : reply;
}

/** Only of an agent of this machine, and only where we may look at it. */
function descriptorFindings(pid: number): readonly Finding[] {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    if (!/circus/.test(command)) return []; // reached through a tunnel: a number of another machine
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    const [, soft = ""] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
    const open = readdirSync(`/proc/${pid}/fd`).length;
    const text = `circusd (pid ${pid}) has ${open} of ${soft} descriptors`;
    return [
      open > Number(soft) * BUSY_SHARE
        ? warning("ulimit", text, "start circusd with a greater one (ulimit -n, LimitNOFILE=)")
        : ok("ulimit", text),
    ];
  } catch {
    return [ok("ulimit", `circusd (pid ${pid}) belongs to another user: not looked at`)];
  }
}
