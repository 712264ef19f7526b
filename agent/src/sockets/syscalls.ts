/**
 * System calls that Node does not offer, through koffi: with `process/thread-rights` and `process/pidfd` the only user of
 * that package. Linux, libc.
 * Every function throws {@link SyscallError} with the errno's name.
 */
import { constants } from "node:os";
import koffi from "koffi";
import { ipBytes, ipv6Text } from "./ip.ts";

/** A system call that failed, with the errno's name: `EADDRINUSE`. */
export class SyscallError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
    super(`${syscall}: ${code}`);
    this.name = "SyscallError";
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

const libc = koffi.load(null);
koffi.struct("iovec", { base: "const void *", length: "size_t" });
koffi.struct("msghdr", {
  ...{ name: "const void *", nameLength: "uint32_t", parts: "iovec *", partCount: "size_t" },
  ...{ control: "const void *", controlLength: "size_t", flags: "int" },
});
const native = {
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, const void *addr, uint32_t len)"),
  listen: libc.func("int listen(int fd, int backlog)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t len)"),
  getsockname: libc.func("int getsockname(int fd, _Out_ uint8_t *addr, _Inout_ uint32_t *len)"),
  shutdown: libc.func("int shutdown(int fd, int how)"),
  close: libc.func("int close(int fd)"),
  dup2: libc.func("int dup2(int fd, int target)"),
  fcntl: libc.func("int fcntl(int fd, int cmd, int arg)"),
  pipe2: libc.func("int pipe2(_Out_ uint8_t *ends, int flags)"),
  mkfifo: libc.func("int mkfifo(const char *path, uint32_t mode)"),
  recv: libc.func("long recv(int fd, _Out_ uint8_t *buffer, size_t length, int flags)"),
  sendmsg: libc.func("long sendmsg(int fd, const msghdr *message, int flags)"),
  getsockopt: libc.func("int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *len)"),
  sendto: libc.func("long sendto(int fd, const void *data, size_t length, int flags, const void *addr, uint32_t len)"),
  poll: libc.func("int poll(_Inout_ uint8_t *fds, unsigned long count, int timeout)"),
  epoll_create1: libc.func("int epoll_create1(int flags)"),
  epoll_ctl: libc.func("int epoll_ctl(int epoll, int operation, int fd, const void *event)"),
  flock: libc.func("int flock(int fd, int operation)"),
  prlimit: libc.func("int prlimit64(int pid, int resource, const void *next, _Out_ uint64_t *previous)"),
};

/** Called in another thread, so not for {@link call}. */
const epollWaitNative = libc.func("int epoll_wait(int epoll, _Out_ uint8_t *events, int max, int timeout)");

function call(name: keyof typeof native, ...args: unknown[]): number {
  const result = native[name](...args) as number;
  if (result < 0) throw new SyscallError(name, koffi.errno());
  return result;
}

const FAMILY = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10 } as const;
const TYPE = { SOCK_STREAM: 1, SOCK_DGRAM: 2, SOCK_RAW: 3, SOCK_RDM: 4, SOCK_SEQPACKET: 5 } as const;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const OPTION = { SO_REUSEADDR: [SOL_SOCKET, 2], SO_REUSEPORT: [SOL_SOCKET, 15], IPV6_V6ONLY: [41, 26] } as const;
const SO_BINDTODEVICE = 25;
const SO_TYPE = 3;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
const SCM_RIGHTS = 1;
const SHUT_RDWR = 2;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const FD_CLOEXEC = 1;
/** What a pipe holds unless told otherwise. */
const PIPE_BYTES = 65_536;
const LOCK_EX = 2;
const LOCK_NB = 4;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const RLIMIT_NOFILE = 7;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

export type Family = keyof typeof FAMILY;
export type SocketType = keyof typeof TYPE;
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** A new descriptor, close-on-exec. @param protocol its number; 0: the type's own */
export function socket(family: Family, type: SocketType, protocol = 0): number {
  return call("socket", FAMILY[family], TYPE[type] | SOCK_CLOEXEC, protocol);
}

/** Binds to an IP literal and port, or to a path. */
export function bind(fd: number, family: Family, address: Address): void {
  const bytes = encodeAddress(family, address);
  call("bind", fd, bytes, bytes.length);
}

export function listen(fd: number, backlog: number): void {
  call("listen", fd, backlog);
}

export function setOption(fd: number, option: keyof typeof OPTION, value: number): void {
  const [level, name] = OPTION[option];
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  call("setsockopt", fd, level, name, bytes, 4);
}

/** Of an open socket: its family, type and protocol by the kernel's numbers, and the interface that it is bound to. */
export function socketKind(fd: number): {
  readonly family: Family | null;
  readonly type: SocketType | null;
  readonly protocol: number;
  readonly interface: string | null;
} {
  const number = (name: number): number => readOption(fd, name).readInt32LE(0);
  const device = readOption(fd, SO_BINDTODEVICE).toString().replace(/\0.*$/s, "");
  return {
    family: keyOf(FAMILY, number(SO_DOMAIN)),
    type: keyOf(TYPE, number(SO_TYPE)),
    protocol: number(SO_PROTOCOL),
    interface: device === "" ? null : device,
  };
}

function readOption(fd: number, name: number): Buffer {
  const bytes = Buffer.alloc(16); // an interface's name, the longest of what is asked for
  const length = [bytes.length];
  call("getsockopt", fd, SOL_SOCKET, name, bytes, length);
  return bytes;
}

function keyOf<K extends string>(table: Readonly<Record<K, number>>, value: number): K | null {
  return (Object.keys(table) as K[]).find((key) => table[key] === value) ?? null;
}

/** SO_BINDTODEVICE: only what arrives on that network interface. */
export function bindToDevice(fd: number, device: string): void {
  const bytes = Buffer.from(`${device}\0`);
  call("setsockopt", fd, SOL_SOCKET, SO_BINDTODEVICE, bytes, bytes.length);
}

/** Where a socket is bound. */
export function socketName(fd: number): Address {
  const bytes = Buffer.alloc(128);
  const length = [bytes.length];
  call("getsockname", fd, bytes, length);
  return decodeAddress(bytes.subarray(0, length[0]));
}

/** Both ways, for every process that has the socket: a listening one listens no more. */
export function shutdown(fd: number): void {
  call("shutdown", fd, SHUT_RDWR);
}

export function close(fd: number): void {
  call("close", fd);
}

/** One datagram that is there already, cut to the buffer; null: none is. */
export function receiveNow(fd: number, buffer: Buffer): number | null {
  try {
    return call("recv", fd, buffer, buffer.length, MSG_DONTWAIT);
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "EAGAIN" || error.code === "EINTR")) return null;
    throw error;
  }
}

/** One datagram to the path of a Unix socket, without waiting; false: the other side has no room for it now. */
export function sendNow(fd: number, to: { readonly path: string }, datagram: Uint8Array): boolean {
  const address = encodeAddress("AF_UNIX", to);
  return hasRoom(() =>
    call("sendto", fd, datagram, datagram.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length),
  );
}

function hasRoom(send: () => number): boolean {
  try {
    send();
    return true;
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "EAGAIN" || error.code === "EINTR")) return false;
    throw error;
  }
}

/** Sends some of the bytes on a connected socket and returns how many. @throws SyscallError EAGAIN where the peer takes none now */
export function sendSome(fd: number, bytes: Uint8Array): number {
  return call("sendto", fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0);
}

/** Whether a write would not wait, now or within the time, for which this thread waits; an error counts as that. */
export function isWritable(fd: number, waitMs: number): boolean {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(POLLOUT, 4);
  return call("poll", entry, 1, waitMs) > 0;
}

/**
 * One datagram with copies of open descriptors, without waiting, to the path of a Unix socket (`@NAME`: an abstract
 * one); false: the other side has no room for it now.
 */
export function sendDescriptors(
  fd: number,
  to: { readonly path: string },
  datagram: Uint8Array,
  fds: readonly number[],
): boolean {
  const path = encodeAddress("AF_UNIX", to);
  const isAbstract = to.path.startsWith("@");
  if (isAbstract) path.writeUInt8(0, 2);
  const name = isAbstract ? path.subarray(0, -1) : path;
  // struct cmsghdr and its payload, each padded to the size of a long.
  const control = Buffer.alloc(fds.length === 0 ? 0 : 16 + Math.ceil((4 * fds.length) / 8) * 8);
  if (fds.length > 0) {
    control.writeBigUInt64LE(BigInt(16 + 4 * fds.length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    fds.forEach((one, i) => control.writeInt32LE(one, 16 + 4 * i));
  }
  const message = {
    ...{ name, nameLength: name.length },
    ...{ parts: [{ base: datagram, length: datagram.length }], partCount: 1 },
    ...{ control: fds.length === 0 ? null : control, controlLength: control.length, flags: 0 },
  };
  return hasRoom(() => call("sendmsg", fd, message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** `struct epoll_event` is packed on x86-64 only. */
const EPOLL_EVENT = process.arch === "x64" ? { size: 12, data: 4 } : { size: 16, data: 8 };
const EPOLL_EVENTS_MAX = 64;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const POLLOUT = 4;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Close-on-exec. A descriptor that is closed leaves it by itself. */
export function epollCreate(): number {
  return call("epoll_create1", O_CLOEXEC);
}

/** Waits for something to read. */
export function epollAdd(epoll: number, fd: number): void {
  const event = Buffer.alloc(EPOLL_EVENT.size);
  event.writeUInt32LE(EPOLLIN, 0);
  event.writeInt32LE(fd, EPOLL_EVENT.data);
  call("epoll_ctl", epoll, EPOLL_CTL_ADD, fd, event);
}

export function epollRemove(epoll: number, fd: number): void {
  call("epoll_ctl", epoll, EPOLL_CTL_DEL, fd, null);
}

/** The descriptors that have something to read; none after the timeout or a signal. Waits in a thread of libuv's pool. */
export function epollWait(epoll: number, timeoutMs: number): Promise<readonly number[]> {
  const events = Buffer.alloc(EPOLL_EVENT.size * EPOLL_EVENTS_MAX);
  return new Promise((resolve, reject) => {
    epollWaitNative.async(epoll, events, EPOLL_EVENTS_MAX, timeoutMs, (error: unknown, count: number) => {
      if (error instanceof Error) reject(error);
      else {
        resolve(
          Array.from({ length: Math.max(0, count) }, (_, i) =>
            events.readInt32LE(i * EPOLL_EVENT.size + EPOLL_EVENT.data),
          ),
        );
      }
    });
  });
}

/** Takes the exclusive lock of an open file, until it is closed or the process ends; false where another has it. */
export function tryLock(fd: number): boolean {
  try {
    call("flock", fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EAGAIN") return false;
    throw error;
  }
}

export function setCloseOnExec(fd: number, on: boolean): void {
  const flags = call("fcntl", fd, F_GETFD, 0);
  call("fcntl", fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

/** Makes `target` another number of the same open file; what it was before is closed. Inherited by processes. */
export function duplicateTo(fd: number, target: number): void {
  call("dup2", fd, target);
}

/** Another number of the same open file, the first free one from `lowest` on; close-on-exec. */
export function duplicateFrom(fd: number, lowest: number): number {
  return call("fcntl", fd, F_DUPFD_CLOEXEC, lowest);
}

/** O_NONBLOCK of the open file description, which every process that has a copy of the descriptor shares. */
export function isNonBlocking(fd: number): boolean {
  return (call("fcntl", fd, F_GETFL, 0) & O_NONBLOCK) !== 0;
}

export function setNonBlocking(fd: number, on: boolean): void {
  const flags = call("fcntl", fd, F_GETFL, 0);
  call("fcntl", fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/** A pipe of the kernel, both ends close-on-exec. */
export function pipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const ends = Buffer.alloc(8);
  call("pipe2", ends, O_CLOEXEC);
  return { readEnd: ends.readInt32LE(0), writeEnd: ends.readInt32LE(4) };
}

/** A pipe with a name. @param mode without what the umask takes away */
export function mkfifo(path: string, mode: number): void {
  call("mkfifo", path, mode);
}

/** What a pipe may hold, as near to `bytes` as the system allows. */
export function enlargePipe(fd: number, bytes: number): void {
  for (let size = bytes; size > PIPE_BYTES; size /= 2) {
    try {
      call("fcntl", fd, F_SETPIPE_SZ, size);
      return;
    } catch (error) {
      // Beyond pipe-max-size, or this user's share of pipe memory is used up.
      if (!(error instanceof SyscallError && (error.code === "EPERM" || error.code === "ENOMEM"))) throw error;
    }
  }
}

/** Limits of a resource, such as open descriptors; Infinity for none. */
export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

/** {@link resourceLimit} of open descriptors. */
export function nofileLimit(pid: number, next?: ResourceLimit): ResourceLimit {
  return resourceLimit(pid, RLIMIT_NOFILE, next);
}

/** Reads, and where given sets, a limit of a process (0: this one) by the resource's number. Returns what held before. */
export function resourceLimit(pid: number, resource: number, next?: ResourceLimit): ResourceLimit {
  const previous = Buffer.alloc(16);
  let bytes: Buffer | null = null;
  if (next !== undefined) {
    bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(toRlim(next.soft), 0);
    bytes.writeBigUInt64LE(toRlim(next.hard), 8);
  }
  call("prlimit", pid, resource, bytes, previous);
  return { soft: fromRlim(previous.readBigUInt64LE(0)), hard: fromRlim(previous.readBigUInt64LE(8)) };
}

function toRlim(value: number): bigint {
  return value === Number.POSITIVE_INFINITY ? RLIM_INFINITY : BigInt(value);
}

function fromRlim(value: bigint): number {
  return value === RLIM_INFINITY ? Number.POSITIVE_INFINITY : Number(value);
}

/** `struct sockaddr_*` in the machine's layout (family in host order, port in network order). */
function encodeAddress(family: Family, address: Address): Buffer {
  if ("path" in address) {
    const path = Buffer.from(address.path);
    if (path.length > 107) throw new SyscallError("bind", constants.errno.ENAMETOOLONG);
    const bytes = Buffer.alloc(2 + path.length + 1);
    bytes.writeUInt16LE(FAMILY.AF_UNIX, 0);
    path.copy(bytes, 2);
    return bytes;
  }
  const bytes = Buffer.alloc(family === "AF_INET6" ? 28 : 16);
  bytes.writeUInt16LE(FAMILY[family], 0);
  bytes.writeUInt16BE(address.port, 2);
  ipBytes(address.host).copy(bytes, family === "AF_INET6" ? 8 : 4);
  return bytes;
}

function decodeAddress(bytes: Buffer): Address {
  const family = bytes.readUInt16LE(0);
  if (family === FAMILY.AF_UNIX) return { path: bytes.subarray(2).toString().replace(/\0.*$/s, "") };
  const port = bytes.readUInt16BE(2);
  if (family === FAMILY.AF_INET) return { host: [...bytes.subarray(4, 8)].join("."), port };
  return { host: ipv6Text(bytes.subarray(8, 24)), port };
}
