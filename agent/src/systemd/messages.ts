/** What circusd and systemd tell each other: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3). Pure. */
import type { Millis, WatcherSnapshot } from "@circus-cluster/proto";
import { oneLine } from "../config/text.ts";

/** What systemd says in the environment of the process that it starts. */
export interface FromManager {
  /** Where it hears; `@NAME` is an abstract socket. Null: nobody does. */
  readonly notifySocket: string | null;
  /** How often it wants to hear at the latest; null: it does not watch. */
  readonly watchdogMs: Millis | null;
  /** Names of descriptors 3, 4 …; null where one has none. */
  readonly descriptors: readonly (string | null)[];
}

/** They are of this process alone, and not for workers. */
export const VARIABLES = [
  ...["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE"],
  ...["LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES"],
] as const;

type Env = Readonly<Record<string, string | undefined>>;

/** @param pid of this process: what is meant for another one does not count */
export function fromManager(env: Env, pid: number): FromManager {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched } = env;
  const isWatched = watched === undefined || watched === String(pid);
  const usec = isWatched && /^\d+$/.test(watchdog ?? "") ? Number(watchdog) : 0;
  return {
    notifySocket: /^[/@]./.test(socket) ? socket : null,
    watchdogMs: usec > 0 ? usec / 1000 : null,
    descriptors: descriptorNames(env, pid),
  };
}

function descriptorNames(env: Env, pid: number): readonly (string | null)[] {
  const { LISTEN_FDS: count = "", LISTEN_PID: owner, LISTEN_FDNAMES: text } = env;
  if (!/^\d{1,4}$/.test(count) || owner !== String(pid)) return [];
  const names = text?.split(":") ?? [];
  return Array.from({ length: Number(count) }, (_, i) => names[i] ?? null);
}

const STATUS_MAX = 256;

/** One message: assignments, a line each. */
export function message(fields: Readonly<Record<string, string | number>>): Buffer {
  return Buffer.from(
    Object.entries(fields)
      .map(([key, value]) => `${key}=${value}`)
      .join("\n"),
  );
}

const PREFIX = "socket-";

/** `FDNAME` of the socket with this name: systemd takes no colon and nothing but ASCII, at most 255 characters. */
export function descriptorName(socket: string): string {
  const escaped = [...Buffer.from(socket)].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).padStart(2, "0")}`;
  });
  return `${PREFIX}${escaped.join("")}`.slice(0, 255);
}

/** The name of the socket; null: it was not us who named it. */
export function socketNameOf(descriptor: string | null): string | null {
  if (descriptor === null || !descriptor.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(descriptor.slice(PREFIX.length));
  } catch {
    return null; // cut off in the middle of a character
  }
}

/** `12 processes of 3 watchers; starting: web` */
export function summary(watchers: readonly Pick<WatcherSnapshot, "name" | "state" | "processes">[]): string {
  const processes = watchers.reduce((sum, one) => sum + one.processes.length, 0);
  const parts = [`${processes} processes of ${watchers.length} watchers`];
  for (const word of ["failed", "starting", "stopping"]) {
    const names = watchers.filter(({ state }) => state === word).map(({ name }) => name);
    if (names.length > 0) parts.push(`${word}: ${names.join(", ")}`);
  }
  return oneLine(parts.join("; "), STATUS_MAX);
}
