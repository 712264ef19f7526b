/**
 * The log as datagrams to a syslog daemon: over UDP, or to its Unix socket, which Node cannot reach by itself. A
 * daemon that is gone or slow costs lines, never time.
 */
import { createSocket } from "node:dgram";
import { statSync } from "node:fs";
import { isIPv6 } from "node:net";
import { CircusError } from "@circus-cluster/proto";
import type { SyslogAddress } from "../config/log-output.ts";
import * as sys from "../sockets/syscalls.ts";
import { formatSyslog } from "./format.ts";
import type { Sink } from "./sink.ts";

/** What daemons take in one datagram; the rest of a longer line is cut off. */
const DATAGRAM_BYTES_MAX = 8192;
/** Lines that wait for a daemon that is slow. */
const QUEUE_MAX = 1000;
const RETRY_MS = 10;
/** At the end, for what is under way. */
const LINGER_MS = 1000;

/** Takes datagrams; never throws. */
interface Sender extends Disposable {
  send(datagram: Buffer): void;
}

/** @throws CircusError `os` where there is no socket at the path. */
export function syslogSink(address: SyslogAddress, facility: number): Sink {
  const sender = "path" in address ? unixSender(address.path) : udpSender(address.host, address.port);
  return {
    write: (record) => sender.send(Buffer.from(formatSyslog(record, facility)).subarray(0, DATAGRAM_BYTES_MAX)),
    reopen: () => undefined,
    [Symbol.dispose]: () => sender[Symbol.dispose](),
  };
}

/** A name is looked up for each line, so that a daemon that moved is found. */
function udpSender(host: string, port: number): Sender {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  socket.on("error", () => undefined);
  socket.unref();
  let underWay = 0;
  let isEnding = false;
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    socket.close();
  };
  return {
    send: (datagram) => {
      if (isEnding || underWay >= QUEUE_MAX) return;
      underWay++;
      socket.send(datagram, port, host, () => {
        underWay--;
        if (isEnding && underWay === 0) close();
      });
    },
    [Symbol.dispose]: () => {
      if (isEnding) return;
      isEnding = true;
      if (underWay === 0) close();
      else {
        socket.ref();
        setTimeout(close, LINGER_MS).unref();
      }
    },
  };
}

function unixSender(path: string): Sender {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) {
    throw new CircusError("os", `cannot log to syslog://${path}: no socket is there`);
  }
  const fd = sys.socket("AF_UNIX", "SOCK_DGRAM");
  const queue: Buffer[] = [];
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;
  const flush = (): void => {
    timer = null;
    for (let datagram = queue[0]; datagram !== undefined; datagram = queue[0]) {
      if (!sendTo(fd, path, datagram)) {
        timer = setTimeout(flush, RETRY_MS).unref();
        return;
      }
      queue.shift();
    }
  };
  return {
    send: (datagram) => {
      if (isClosed || queue.length >= QUEUE_MAX) return;
      queue.push(datagram);
      if (timer === null) flush();
    },
    [Symbol.dispose]: () => {
      if (isClosed) return;
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      flush();
      if (timer !== null) clearTimeout(timer);
      sys.close(fd);
    },
  };
}

/** False where it has to be sent again: the daemon has not read what it has. */
function sendTo(fd: number, path: string, datagram: Buffer): boolean {
  try {
    return sys.sendNow(fd, { path }, datagram);
  } catch (error) {
    // No daemon at the moment, or not ours to write to: the line is lost, the next one may find a new daemon.
    if (error instanceof sys.SyscallError) return true;
    throw error;
  }
}
