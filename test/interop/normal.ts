/** Makes replies and texts of two runs comparable: pids, times, sizes, paths and ports get names. */
import type { Reply, Typed } from "./rows.ts";

export interface Run {
  /** What differs from run to run: text → its name. */
  readonly names: readonly (readonly [text: string, name: string])[];
  readonly daemonPid: number;
}

const PID_LISTS: ReadonlySet<string> = new Set(["pids", "started", "stopped", "kept"]);

function isPid(text: string): boolean {
  return /^\d{2,7}$/.test(text);
}

function named(text: string, { names }: Run): string {
  return names.reduce((all, [from, to]) => all.replaceAll(from, to), text);
}

const OF_RECORD: Readonly<Record<string, (value: unknown) => unknown>> = {
  pid: (value) => (typeof value === "number" ? "PID" : value),
  username: (value) => (typeof value === "string" ? "USER" : value),
  mem_info1: (value) => (/^\d+(\.\d\d)?[BKMGT]$/.test(String(value)) ? "SIZE" : value),
  mem_info2: (value) => (/^\d+(\.\d\d)?[BKMGT]$/.test(String(value)) ? "SIZE" : value),
  cpu: (value) => (typeof value === "number" ? "PERCENT" : value),
  mem: (value) => (typeof value === "number" ? "PERCENT" : value),
  ctime: (value) => (/^\d+:\d\d\.\d+$/.test(String(value)) ? "CTIME" : value),
  create_time: (value) => (typeof value === "number" ? "TIME" : value),
  started: (value) => (typeof value === "number" ? "TIME" : value),
  age: (value) => (typeof value === "number" ? "SECONDS" : value),
  wid: (value) => (typeof value === "number" ? "WID" : value),
};

function normalMember(key: string, value: unknown, owner: Reply, run: Run): unknown {
  const isRecord = "cmdline" in owner && "mem_info1" in owner;
  const change = isRecord ? OF_RECORD[key] : undefined;
  if (isRecord && key === "cmdline" && owner["pid"] === run.daemonPid) return "CIRCUSD";
  if (change !== undefined) return change(value);
  if (PID_LISTS.has(key) && Array.isArray(value))
    return value.map((pid: unknown) => (typeof pid === "number" ? "PID" : pid));
  if (key === "fd" || key === "process" || key === "port") return typeof value === "number" ? key.toUpperCase() : value;
  return normalValue(value, run);
}

function normalValue(value: unknown, run: Run): unknown {
  if (typeof value === "string") return named(value, run);
  if (Array.isArray(value)) return value.map((item) => normalValue(item, run));
  if (typeof value !== "object" || value === null) return value;
  const owner = value as Reply;
  const members = Object.entries(owner).map(([key, member], i): [string, unknown] => [
    isPid(key) ? `PID${i + 1}` : key,
    normalMember(key, member, owner, run),
  ]);
  return Object.fromEntries(members);
}

/** Circus's reasons of errno 5 begin with the raw request, and `tb` holds its traceback: D14, for all of them. */
function normalReason(reason: string): string {
  return reason.replace(/^(error: )?command b(['"]).*?\2: /s, "$1");
}

/** @returns null for none; without `time`, which has to be one, `id` and `tb`. */
export function normalReply(text: string | null, run: Run): Reply | null {
  if (text === null) return null;
  const { time, id: _id, tb, reason, ...rest } = JSON.parse(text) as Reply;
  if (typeof time !== "number" || Math.abs(time - Date.now() / 1000) > 60) throw new Error(`time: ${String(time)}`);
  if (tb !== undefined && tb !== null && typeof tb !== "string") throw new Error(`tb: ${JSON.stringify(tb)}`);
  const shown = typeof reason === "string" ? { reason: named(normalReason(reason), run) } : {};
  return { ...(normalValue(rest, run) as Reply), ...shown };
}

const INFO = /(?:PID|N\/A) {2}(\S+) \S+ (\S+) \d\S*[BKMGT] \d\S*[BKMGT] \d+\.\d+ \d+\.\d+ \d+:\d\d\.\d+/g;

/** @param pids all that may stand in the text */
function normalText(text: string, pids: ReadonlySet<string>, run: Run): string {
  return named(text, run)
    .replace(new RegExp(`\\b${run.daemonPid}  \\S+`), "PID  CIRCUSD")
    .replace(/\b\d{2,7}\b/g, (number) => (pids.has(number) ? "PID" : number))
    .replace(INFO, "PID  $1 USER $2 SIZE SIZE PERCENT PERCENT CTIME")
    .replace(/^\d+(?=:socket )/gm, "FD");
}

export function normalTyped({ out, err, code }: Typed, pids: ReadonlySet<string>, run: Run): Typed {
  return { out: normalText(out, pids, run), err: normalText(normalReason(err), pids, run), code };
}
