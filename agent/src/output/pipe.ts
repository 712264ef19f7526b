/**
 * Where a process writes its output to: the one place that knows it is a pipe of the kernel. (Node's own pipes are
 * sockets, on which a worker's `open("/dev/stdout")` fails with ENXIO.)
 */
import * as sys from "../sockets/syscalls.ts";

/** So much a process can write while the agent is busy or the disk slow. */
const PIPE_BYTES = 1024 * 1024;

export interface OpenOutput {
  /** For the process. */
  readonly writeEnd: number;
  readonly readEnd: number;
}

/**
 * Both ends are close-on-exec and the caller's to close.
 *
 * @throws SyscallError EMFILE …
 */
export function openOutput(): OpenOutput {
  const output = sys.pipe();
  sys.enlargePipe(output.writeEnd, PIPE_BYTES);
  return output;
}
