/** An event as a line of the outbox, which is also what goes over the wire. */
import { type EventDraft, type FleetEvent, fleetEvent, parse } from "@circus-cluster/proto";

/** Longest line; a longer event keeps its identity and loses its data. Far below the server's 1 MiB. */
const EVENT_BYTES_MAX = 64 * 1024;
const CLOSING_BRACE = 125;

/** The line of an event; `epoch` and `seq` stand first, by which `Segments` knows a whole line. */
export function encode(id: Pick<FleetEvent, "epoch" | "seq" | "time">, draft: EventDraft): Buffer {
  const { epoch, seq, time } = id;
  const event: FleetEvent = { v: 1, epoch, seq, time, ...draft };
  const line = Buffer.from(`${JSON.stringify(event)}\n`);
  if (line.length <= EVENT_BYTES_MAX) return line;
  const small: FleetEvent = { ...event, data: { oversize: line.length } };
  return Buffer.from(`${JSON.stringify(small)}\n`);
}

/**
 * Is it whole? Every line is written with these keys first; a block that never reached the disk reads as
 * zeros. Cheaper than parsing 64 MiB at a start; who sends the line parses it.
 */
export function isLineOf(line: Buffer, epoch: number, seq: number): boolean {
  const head = lineHead(epoch, seq);
  return (
    line.length > head.length &&
    line.toString("latin1", 0, head.length) === head &&
    line.at(-1) === CLOSING_BRACE &&
    !line.includes(0)
  );
}

/** How the line of an event begins. */
function lineHead(epoch: number, seq: number): string {
  return `{"v":1,"epoch":${epoch},"seq":${seq},`;
}

/** The event in a line, or null where it is none. */
export function parseLine(bytes: Buffer): FleetEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
  const parsed = parse(fleetEvent, value);
  return parsed.ok ? parsed.value : null;
}
