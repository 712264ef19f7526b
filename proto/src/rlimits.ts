/** The kernel's resource limits by the names that Python has for them, lower case, with their numbers (Linux). */
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

export function isRlimitName(name: string): name is RlimitName {
  return Object.hasOwn(RLIMIT_NUMBERS, name);
}
