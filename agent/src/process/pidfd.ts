/**
 * Descriptors that stand for processes: for those that are no children of ours the only way to hear of their end, and
 * to signal them without ever meeting another process that got their number. Linux 5.6; through koffi.
 */
import { constants } from "node:os";
import koffi from "koffi";
import { SyscallError } from "../sockets/syscalls.ts";

const libc = koffi.load(null);
const syscall = libc.func("long syscall(long number, long a, long b, long c, long d)");
const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");

/** The same on all architectures. */
const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;
/** Linux 6.9. */
const SIGNAL_PROCESS_GROUP = 4;
/** With the size of its first version, which every kernel that knows it takes. */
const GET_INFO = 0xc0_40_ff_0b;
const INFO_BYTES = 64;
const INFO_EXIT = 8n;
const EXIT_CODE_AT = 60;

function call(name: string, ...args: readonly [number, number, number, number, number]): number {
  const result = Number(syscall(...args) as number | bigint);
  if (result < 0) throw new SyscallError(name, koffi.errno());
  return result;
}

/** Close-on-exec; readable from the end of the process on. @throws SyscallError ESRCH where there is none */
export function pidfdOpen(pid: number): number {
  return call("pidfd_open", PIDFD_OPEN, pid, 0, 0, 0);
}

/** A copy of a descriptor of that process, close-on-exec. @throws SyscallError EPERM where we may not */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return call("pidfd_getfd", PIDFD_GETFD, pidfd, fd, 0, 0);
}

/** False where it has gone. @throws SyscallError EPERM … */
export function pidfdSignal(pidfd: number, signum: number): boolean {
  return send(pidfd, signum, 0);
}

/**
 * To the group that the process leads or led, without ever meeting another one of that number. False where nobody is left.
 *
 * @throws SyscallError EINVAL before Linux 6.9
 */
export function pidfdSignalGroup(pidfd: number, signum: number): boolean {
  return send(pidfd, signum, SIGNAL_PROCESS_GROUP);
}

function send(pidfd: number, signum: number, flags: number): boolean {
  try {
    call("pidfd_send_signal", PIDFD_SEND_SIGNAL, pidfd, signum, 0, flags);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === constants.errno.ESRCH) return false;
    throw error;
  }
}

/** How the process ended, as `wait` says it; null: it has not been reaped yet, or the kernel does not say (before 6.15). */
export function pidfdExitStatus(pidfd: number): number | null {
  const info = Buffer.alloc(INFO_BYTES);
  info.writeBigUInt64LE(INFO_EXIT, 0);
  const result = ioctl(pidfd, GET_INFO, info) as number;
  if (result < 0 || (info.readBigUInt64LE(0) & INFO_EXIT) === 0n) return null;
  return info.readInt32LE(EXIT_CODE_AT);
}
