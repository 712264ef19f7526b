/** What a process holds, by what it is. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** How many of each kind: `socket to :4222`, `listening socket`, `unix socket`, `pipe`, `eventfd`, `file` … */
export function descriptorsOf(pid: number): Record<string, number> {
  const sockets = tcpSockets(pid);
  const counts: Record<string, number> = {};
  for (const target of openFiles(pid)) {
    const what = kindOf(target, sockets);
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

/** What the descriptors of a process lead to, a path or what the kernel calls it; without those that are closed meanwhile. */
export function openFiles(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  const fds = ifThere(() => readdirSync(directory)) ?? [];
  return fds.map((fd) => ifThere(() => readlinkSync(`${directory}/${fd}`))).filter((target) => target !== null);
}

function ifThere<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function kindOf(target: string, sockets: ReadonlyMap<string, string>): string {
  const inode = /^socket:\[(\d+)\]/.exec(target)?.[1];
  if (inode !== undefined) return sockets.get(inode) ?? "unix socket";
  return target.startsWith("pipe:") ? "pipe" : (/^anon_inode:\[?(\w+)/.exec(target)?.[1] ?? "file");
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
