/**
 * Where a process writes its output to: the one place that knows whether that is a FIFO with a name, which outlives
 * the agent, or a pipe of the kernel. (Node's own pipes are sockets, on which a worker's `open("/dev/stdout")` fails
 * with ENXIO.)
 */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import * as sys from "../sockets/syscalls.ts";
import type { FifoDir, OutputOwner } from "./fifo-dir.ts";

/** So much a process can write while the agent is busy or away, or the disk slow. */
const PIPE_BYTES = 1024 * 1024;

export interface OpenOutput {
  /** For the process. */
  readonly writeEnd: number;
  readonly readEnd: number;
  /** Of the FIFO; null: it is a pipe without a name, and with the agent its only reader goes. */
  readonly path: string | null;
}

/**
 * Both ends are close-on-exec and the caller's to close, and the name is the caller's to remove.
 *
 * @param fifos null: there is no state directory
 * @throws SyscallError EMFILE …
 */
export function openOutput(fifos: FifoDir | null, owner: OutputOwner, log: Logger): OpenOutput {
  const output = (fifos === null ? null : makeFifo(fifos, owner, log)) ?? { ...sys.pipe(), path: null };
  sys.enlargePipe(output.writeEnd, PIPE_BYTES);
  return output;
}

/** A process that can be started without one is: null. */
function makeFifo(fifos: FifoDir, owner: OutputOwner, log: Logger): OpenOutput | null {
  try {
    return fifos.create(owner);
  } catch (error) {
    log.warning("the output of a process would not outlive circusd", { ...owner, reason: reasonOf(error) });
    return null;
  }
}
