/** `rlimit_NAME` of a watcher (reference §1.6). Pure. */
import { isRlimitName, RLIMIT_NUMBERS, type RlimitName } from "@circus-cluster/proto";
import type { SectionReader } from "./reader.ts";
import { quote } from "./text.ts";
import { parseInteger } from "./values.ts";

/** Soft and hard limit alike, in the kernel's unit; null: none. */
export type Rlimits = Readonly<Partial<Record<RlimitName, number | null>>>;

const PREFIX = "rlimit_";

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
