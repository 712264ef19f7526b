/** What a process holds, by what it is. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** How many of each kind: `socket to :4222`, `listening socket`, `unix socket`, `pipe`, `eventfd`, `file` … */
export function descriptorsOf(pid: number): Record<string, number> {
  const sockets = tcpSockets(pid);
  const counts: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const what = kindOf(pid, fd, sockets);
    if (what !== null) counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

/** Paths of the files that a process has open; none where it has just ended. */
export function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

function kindOf(pid: number, fd: string, sockets: ReadonlyMap<string, string>): string | null {
  try {
    const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    const inode = /^socket:\[(\d+)\]/.exec(target)?.[1];
    if (inode !== undefined) return sockets.get(inode) ?? "unix socket";
    return target.startsWith("pipe:") ? "pipe" : (/^anon_inode:\[?(\w+)/.exec(target)?.[1] ?? "file");
  } catch {
    return null; // closed meanwhile
  }
}

const LISTENING = "0A";

/** What the TCP sockets of its network namespace are, by inode. */
function tcpSockets(pid: number): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${pid}/net/tcp`, "latin1").trim().split("\n").slice(1);
  return new Map(
    lines.map((line) => {
      const [, , remote = "", state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const port = Number.parseInt(remote.split(":")[1] ?? "", 16);
      return [inode, state === LISTENING ? "listening socket" : `socket to :${port}`];
    }),
  );
}
