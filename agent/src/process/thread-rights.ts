/**
 * Rights of the calling thread alone, by the kernel's own calls: libc's functions of these names change all threads
 * of the agent. Whoever calls these sets everything back before anything else runs. Linux.
 */
import koffi from "koffi";
import { SyscallError } from "../sockets/syscalls.ts";

const libc = koffi.load(null);
const native = {
  syscall: libc.func("long syscall(long number, long a, long b, long c, long d)"),
  setgroups: libc.func("syscall", "long", ["long", "size_t", "const uint32_t *"]),
  faccessat2: libc.func("syscall", "long", ["long", "long", "const char *", "long", "long"]),
  capget: libc.func("int capget(const void *header, _Inout_ uint8_t *data)"),
  capset: libc.func("int capset(const void *header, const void *data)"),
  getgrouplist: libc.func("int getgrouplist(const char *user, uint32_t group, _Out_ uint32_t *groups, _Inout_ int *n)"),
  prctl: libc.func("int prctl(int option, long a, long b, long c, long d)"),
};

interface Numbers {
  readonly setgroups: number;
  readonly setresgid: number;
  readonly setfsuid: number;
}

/** Of the system calls, by machine. */
const NUMBERS: Readonly<Record<string, Numbers>> = {
  x64: { setgroups: 116, setresgid: 119, setfsuid: 122 },
  arm64: { setgroups: 159, setresgid: 149, setfsuid: 151 },
};
const FACCESSAT2 = 439;
const AT_FDCWD = -100;
const AT_EACCESS = 0x200;
const X_OK = 1;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
/** Version 3 of the header, and the calling thread. */
const CAP_HEADER = Buffer.from([0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0]);
const CAP_SETGID = 6;
const UNCHANGED = -1;

function check(name: string, result: number): number {
  if (result < 0) throw new SyscallError(name, koffi.errno());
  return result;
}

function capabilities(): Buffer {
  const data = Buffer.alloc(24);
  check("capget", native.capget(CAP_HEADER, data) as number);
  return data;
}

/** May this thread become a member of any group? */
export function maySetGroups(): boolean {
  return NUMBERS[process.arch] !== undefined && (capabilities().readUInt32LE(0) & (1 << CAP_SETGID)) !== 0;
}

/** The groups that a user gets at a login: `gid`, and all that name the user, by whatever the host looks them up in. */
export function groupsOf(user: string, gid: number): readonly number[] {
  for (let size = 64; ; ) {
    const groups = Buffer.alloc(size * 4);
    const count = [size];
    const isEnough = (native.getgrouplist(user, gid, groups, count) as number) >= 0;
    const [n = 0] = count;
    if (isEnough) return Array.from({ length: n }, (_, i) => groups.readUInt32LE(i * 4));
    size = Math.max(n, size * 2);
  }
}

/**
 * Runs `fork` with another group, real and effective, and other supplementary groups, without the right to change
 * them: libuv drops all supplementary groups of a child that changes its user, and passes over a failure to.
 *
 * @throws SyscallError before `fork` was called
 */
export function inGroups<T>(gid: number, groups: readonly number[], fork: () => T): T {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) throw new Error(`no system call numbers for ${process.arch}`);
  const before = { gid: process.getgid?.() ?? 0, egid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [] };
  const mine = capabilities();
  const isDumpable = native.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) === 1;
  const setGroups = (list: readonly number[]): void => {
    check("setgroups", native.setgroups(numbers.setgroups, list.length, Uint32Array.from(list)) as number);
  };
  const setGids = (real: number, effective: number): void => {
    check("setresgid", native.syscall(numbers.setresgid, real, effective, UNCHANGED, 0) as number);
  };
  setGroups(groups);
  try {
    setGids(gid, gid);
    const fewer = Buffer.from(mine);
    fewer.writeUInt32LE((mine.readUInt32LE(0) & ~(1 << CAP_SETGID)) >>> 0, 0);
    check("capset", native.capset(CAP_HEADER, fewer) as number);
    return fork();
  } finally {
    try {
      check("capset", native.capset(CAP_HEADER, mine) as number);
      setGids(before.gid, before.egid);
      setGroups(before.groups);
    } catch (cause) {
      throw new Error("invariant broken: the agent did not get its rights back", { cause });
    }
    // The kernel takes the agent's core dumps away when its rights change.
    if (isDumpable) native.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
}

/** Whether a user, in the groups of this thread, may execute a file; true where the kernel cannot say. */
export function mayExecuteAs(uid: number, path: string): boolean {
  const number = NUMBERS[process.arch]?.setfsuid;
  if (number === undefined) return true;
  const before = native.syscall(number, uid, 0, 0, 0) as number;
  try {
    const result = native.faccessat2(FACCESSAT2, AT_FDCWD, path, X_OK, AT_EACCESS) as number;
    return result === 0 || new SyscallError("faccessat2", koffi.errno()).code !== "EACCES";
  } finally {
    native.syscall(number, before, 0, 0, 0);
  }
}
