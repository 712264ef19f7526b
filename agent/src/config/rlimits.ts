/** `rlimit_NAME` of a watcher (reference §1.6). Pure. */
import type { SectionReader } from "./reader.ts";
import { quote } from "./text.ts";
import { parseInteger } from "./values.ts";

/** The kernel's resources by the names that Python has for them, lower case, with their numbers (Linux). */
export const RLIMIT_NUMBERS = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

export type RlimitName = keyof typeof RLIMIT_NUMBERS;

/** Soft and hard limit alike, in the kernel's unit; null: none. */
export type Rlimits = Readonly<Partial<Record<RlimitName, number | null>>>;

const PREFIX = "rlimit_";

function isRlimitName(name: string): name is RlimitName {
  return Object.hasOwn(RLIMIT_NUMBERS, name);
}

/** Whole numbers as written, without variables; nothing, or Python's -1, stands for no limit. */
export function readRlimits(reader: SectionReader): Rlimits {
  const limits: Partial<Record<RlimitName, number | null>> = {};
  for (const { key, value } of reader.section.entries.values()) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length).toLowerCase();
    if (!isRlimitName(name)) {
      const known = Object.keys(RLIMIT_NUMBERS).sort().join(", ");
      reader.error(key, `there is no resource limit ${quote(name)} (known: ${known})`);
      continue;
    }
    const number = value.trim() === "" ? -1 : parseInteger(value);
    if (number === null) reader.error(key, `${quote(value)} is not a whole number; nothing at all means no limit`);
    else if (number < -1) reader.error(key, `${number} is less than 0`);
    else limits[name] = number === -1 ? null : number;
  }
  return limits;
}
