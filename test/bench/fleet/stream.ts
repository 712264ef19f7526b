/** Events in a real stream, read by a real controller that starts when all are there. */
import { readFileSync } from "node:fs";
import { EVENTS_STREAM, Subjects } from "@circus-cluster/proto";
import { connectFleet, type FleetConnection } from "@circus-cluster/proto/nats";
import { openSqlite } from "../../../controller/src/store/sqlite.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { startProgram } from "../../support/process.ts";
import { tempDir } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";

const WINDOW = 512;
const STORE_MS = 30_000;
const READ_MS = 600_000;

interface Published {
  readonly subject: string;
  readonly event: object;
  readonly msgId: string;
}

/** @returns how many */
async function publish(connection: FleetConnection, events: Iterable<Published>): Promise<number> {
  const open = new Set<Promise<void>>();
  let count = 0;
  for (const { subject, event, msgId } of events) {
    count++;
    const stored = connection.store(subject, event, msgId, STORE_MS).then((result) => {
      if (result.kind !== "stored") throw new Error(`an event was not stored: ${result.kind}`);
      open.delete(stored);
    });
    open.add(stored);
    if (open.size >= WINDOW) await Promise.race(open);
  }
  await Promise.all(open);
  return count;
}

/** Time from the controller's "reading" to the last event committed, and its peak of memory. */
export async function readByController(events: Iterable<Published>): Promise<{ ms: number; rssMiB: number }> {
  await using dir = await tempDir("circus-bench-stream-");
  await using server = await startNatsServer();
  const connection = await connectFleet({ servers: [server.url], name: "made", credentials: null, mode: "service" });
  await connection.ensureStream({ name: EVENTS_STREAM, subjects: [new Subjects("main").all.events()] });
  const count = await publish(connection, events);
  await connection.close();
  const lines = [
    "[controller]",
    `nats_url = ${server.url}`,
    "name = ctl1",
    `state_dir = ${dir.file("state")}`,
    "keep = 60d",
  ];
  await using controller = await startProgram("circus-controller", [
    await dir.write("controller.ini", `${lines.join("\n")}\n`),
  ]);
  await controller.waitForLine(/"reading events"/, 60_000);
  const reading = performance.now();
  using db = {
    open: openSqlite(dir.file("state/events.db"), { readonly: true }),
    [Symbol.dispose]: () => db.open.close(),
  };
  const position = db.open.prepare<[], { v: unknown }>("SELECT v FROM meta WHERE k = 'pos'");
  await waitFor(() => Number(position.get()?.v ?? 0) >= count, {
    what: `${count} events to be committed`,
    deadlineMs: READ_MS,
    everyMs: 20,
  });
  const took = performance.now() - reading;
  const kib = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${controller.pid}/status`, "utf8"))?.[1];
  return { ms: took, rssMiB: Number(kib) / 1024 };
}
