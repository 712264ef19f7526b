/**
 * `circus-controller rebuild`: the event database made anew from the stream. The new one grows beside the old one and
 * takes its place when it has caught up: whatever happens before, the old one is as it was.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  CircusError,
  EVENTS_STREAM,
  isCircusError,
  type Logger,
  makeLogger,
  reasonOf,
  Subjects,
} from "@circus-cluster/proto";
import { connectFleet, type FleetConnection, type StreamState } from "@circus-cluster/proto/nats";
import type { ControllerConfig } from "../config.ts";
import { Consumer } from "../ingest/consumer.ts";
import { Writer } from "../ingest/writer.ts";
import { StateDir } from "../state-dir.ts";
import { openDatabase } from "../store/database.ts";
import { EVENTS_MIGRATIONS } from "../store/migrations.ts";

const CURRENT = "events.db";
const NEW = "events.db.new";
const OLD = "events.db.old";
const LOOK_MS = 50;
/** Without a single event in this time something is wrong. */
const STALL_MS = 30_000;
const TELL_MS = 5000;
const CONNECT_MS = 5000;

/** @throws CircusError with one line */
export async function rebuild(
  config: ControllerConfig,
  out: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  using dir = StateDir.open(config.stateDir);
  const place = (name: string): string => join(dir.path, name);
  removeDatabase(place(NEW)); // of an attempt that was killed
  try {
    const connection = await connectFleet({
      servers: config.natsUrls,
      name: config.name,
      credentials: config.credentials,
      tls: config.tls,
      mode: "once",
      timeoutMs: CONNECT_MS,
    });
    let stream: StreamState;
    try {
      stream = await fill(connection, place(NEW), config.fleet, out, signal);
    } finally {
      await connection.close();
    }
    const hadOne = existsSync(place(CURRENT));
    renameDatabase(place(CURRENT), place(OLD));
    renameSync(place(NEW), place(CURRENT));
    const isKept = hadOne && stream.firstSeq > 1;
    if (!isKept) removeDatabase(place(OLD));
    out(`${place(CURRENT)} is made anew from ${stream.messages} events`);
    if (isKept)
      out(
        `the stream does not reach back to its beginning: what is older is in ${place(OLD)}, delete it when you want`,
      );
  } catch (error) {
    removeDatabase(place(NEW));
    if (isCircusError(error)) throw error;
    throw new CircusError("failed", `rebuild: ${reasonOf(error)}; the database is as it was`, { cause: error });
  }
}

async function fill(
  connection: FleetConnection,
  path: string,
  fleet: string,
  out: (line: string) => void,
  signal: AbortSignal,
): Promise<StreamState> {
  const stream = await connection.streamInfo(EVENTS_STREAM);
  if (stream === null) throw new Error(`there is no stream ${EVENTS_STREAM} to make it from`);
  const db = openDatabase(path, EVENTS_MIGRATIONS, "NORMAL");
  try {
    const subjects = new Subjects(fleet);
    const writer = new Writer(db, subjects);
    let refusal = "";
    const log: Logger = makeLogger((level, text, { reason }) => {
      if (level === "warning" || level === "error") refusal = `${text}: ${String(reason)}`;
    });
    await using consumer = new Consumer({
      connection,
      subjects,
      writer,
      replicas: null,
      log,
      onEvents: () => undefined,
    });
    if (stream.messages > 0) consumer.start();
    else writer.enter(stream);
    await untilCaughtUp(connection, writer, stream, { out, signal, refusal: () => refusal });
    // The consumer's close writes nothing more: it drops what is not committed.
    return stream;
  } finally {
    db.pragma("wal_checkpoint(TRUNCATE)");
    db.close();
  }
}

async function untilCaughtUp(
  connection: FleetConnection,
  writer: Writer,
  stream: StreamState,
  { out, signal, refusal }: { out: (line: string) => void; signal: AbortSignal; refusal: () => string },
): Promise<void> {
  let moved = { pos: -1, atMs: performance.now() };
  let toldMs = performance.now();
  while (stream.messages > 0 && writer.place.pos < stream.lastSeq) {
    const nowMs = performance.now();
    const { pos } = writer.place;
    if (signal.aborted) throw new Error("stopped");
    if (!connection.isConnected) throw new Error("the connection to NATS was lost");
    if (pos !== moved.pos) moved = { pos, atMs: nowMs };
    else if (nowMs - moved.atMs > STALL_MS) throw new Error(`no event came for ${STALL_MS / 1000}s; ${refusal()}`);
    if (nowMs - toldMs >= TELL_MS) {
      out(`${Math.max(0, pos - stream.firstSeq + 1)} of ${stream.messages} events`);
      toldMs = nowMs;
    }
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}

/** With the log that a killed controller has left: it holds its last transactions. */
function renameDatabase(from: string, to: string): void {
  removeDatabase(to);
  for (const suffix of ["-wal", "-shm", ""]) {
    if (existsSync(`${from}${suffix}`)) renameSync(`${from}${suffix}`, `${to}${suffix}`);
  }
}
