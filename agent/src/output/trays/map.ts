/** Memory that another process, or the next, sees too. */
import koffi from "koffi";

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = -1n;

/**
 * The whole of an open file as memory, for as long as this process lives; the descriptor may be closed.
 *
 * @throws where the kernel refuses it
 */
export function mapShared(fd: number, length: number): Uint8Array {
  const libc = koffi.load(null);
  const mmap = libc.func("void *mmap(void *at, size_t length, int protection, int flags, int fd, int64_t from)");
  const address: unknown = mmap(null, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (BigInt.asIntN(64, koffi.address(address)) === MAP_FAILED) throw new Error(`mmap: errno ${koffi.errno()}`);
  return new Uint8Array(koffi.view(address, length));
}
