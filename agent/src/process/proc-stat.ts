/** Parses texts of /proc. Pure. */

/** What we use of `/proc/PID/stat`. */
export interface ProcStat {
  readonly pid: number;
  readonly comm: string;
  /** `Z`: ended, not reaped. */
  readonly state: string;
  readonly ppid: number;
  /** Pid of the process that leads its session. */
  readonly session: number;
  /** In clock ticks. */
  readonly utime: number;
  readonly stime: number;
  readonly nice: number;
  /** Clock ticks after boot: with the pid it names one process. */
  readonly startTicks: number;
  /** How it ended, as `wait` says it, where `state` is `Z`; 0 also for who may not know. */
  readonly exitStatus: number;
}

/** What we use of `/proc/PID/status`. */
export interface ProcStatus {
  /** The real one. */
  readonly uid: number;
  /** Both 0 for a zombie, which has no memory any more. */
  readonly rssBytes: number;
  readonly vsizeBytes: number;
}

/** Null where the text is no stat line. */
export function parseStat(text: string): ProcStat | null {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")"); // a name may itself contain blanks and parentheses
  if (open < 0 || close < open) return null;
  const fields = text
    .slice(close + 2)
    .trim()
    .split(" ");
  const number = (index: number): number => Number(fields[index - 3] ?? Number.NaN); // numbered as in proc(5)
  const stat: ProcStat = {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 1, close),
    state: fields[0] ?? "",
    ppid: number(4),
    session: number(6),
    utime: number(14),
    stime: number(15),
    nice: number(19),
    startTicks: number(22),
    exitStatus: number(52),
  };
  return Number.isNaN(stat.startTicks) ? null : stat;
}

/** Null where the text is no status file. Sizes come from here: those of `stat` count pages of a size that varies. */
export function parseStatus(text: string): ProcStatus | null {
  const uid = /^Uid:\t(\d+)/m.exec(text)?.[1];
  if (uid === undefined) return null;
  const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s*(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { uid: Number(uid), rssBytes: bytes("VmRSS"), vsizeBytes: bytes("VmSize") };
}

/** Words of `/proc/PID/cmdline`. */
export function parseCmdline(text: string): readonly string[] {
  return text === "" ? [] : text.replace(/\0$/, "").split("\0");
}

/** `1.63M`: `B` below 1024, else two decimals and a unit of powers of 1024 (reference §8.1). */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const units = "KMGTPEZY";
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(2)}${units[unit] ?? ""}`;
}

/** CPU time as `M:SS.f`: minutes modulo 60, then the first two digits of the unpadded microseconds (reference §8.1). */
export function cpuTimeText(seconds: number): string {
  const whole = Math.floor(seconds);
  const micros = Math.round((seconds - whole) * 1e6);
  return `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, "0")}.${String(micros).slice(0, 2)}`;
}
