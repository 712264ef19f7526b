import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FleetEvent, type HostName, type LogLevel, makeLogger, Subjects } from "@circus-cluster/proto";
import type { FleetMessage } from "@circus-cluster/proto/nats";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Outbox } from "./outbox.ts";
import { isAfter, type Lost, type Position } from "./segments.ts";
import type { OutboxLink } from "./sender.ts";
import { SETTLE_MS } from "./trail.ts";

const disk = vi.hoisted(() => ({ isFull: false }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const writeSync = (fd: number, data: Buffer | string, offset?: number): number => {
    if (!disk.isFull || typeof data === "string") return fs.writeSync(fd, data as Buffer, offset);
    // Half a line gets through, as on a real file system.
    if ((offset ?? 0) === 0) return fs.writeSync(fd, data, 0, Math.floor(data.length / 2));
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  };
  return { ...fs, writeSync };
});

const host = "web1" as HostName;

/** A stream behind a connection that can be cut silently, lose acks, and refuse. */
class FakeStream implements OutboxLink {
  readonly first: FleetEvent[] = [];
  readonly seen = new Set<string>();
  /** When each of `first` was stored. */
  readonly #times: number[] = [];
  now: () => number = () => 0;
  stored = 0;
  isUp = true;
  isCut = false;
  refusal: string | null = null;
  #acks: FleetMessage[] = [];
  #handler: ((message: FleetMessage) => void) | null = null;

  inbox(): string {
    return "_INBOX.web1.x";
  }
  subscribe(_subject: string, handler: (message: FleetMessage) => void) {
    this.#handler = handler;
    return { close: () => undefined };
  }
  publish(subject: string, payload: object, options: { reply?: string; msgId?: string } = {}): boolean {
    if (!this.isUp) return false;
    if (this.isCut) return true;
    const { reply = "", msgId = "" } = options;
    if (this.refusal !== null) this.#answer(reply, { error: { code: 503, description: this.refusal } });
    else {
      const event = JSON.parse(Buffer.from(payload as Uint8Array).toString()) as FleetEvent;
      expect(msgId).toBe(`web1:${event.epoch}:${event.seq}`);
      expect(new Subjects("main").parse(subject)).toMatchObject({ kind: "evt", host, event: event.kind });
      this.stored++;
      const duplicate = this.seen.has(msgId);
      if (!duplicate) {
        this.first.push(event);
        this.#times.push(this.now());
      }
      this.seen.add(msgId);
      this.#answer(reply, { stream: "EVENTS", seq: this.stored, duplicate });
    }
    return true;
  }
  #answer(subject: string, value: unknown): void {
    this.#acks.push({ subject, reply: undefined, data: new Uint8Array(), json: () => value });
  }
  deliver(): void {
    while (this.#acks.length > 0 && this.isUp) this.#handler?.(this.#acks.shift()!);
  }
  loseAcks(): void {
    this.#acks = [];
  }
  /** The server loses power: what it has not synced is gone, and so are all connections. */
  losePower(unsyncedMs: number): void {
    const kept = this.#times.filter((ms) => ms < this.now() - unsyncedMs).length;
    for (const { epoch, seq } of this.first.splice(kept)) this.seen.delete(`web1:${epoch}:${seq}`);
    this.#times.length = kept;
    this.isUp = false;
    this.loseAcks();
  }
}

interface Limits {
  readonly maxBytes?: number;
  readonly keepBytes?: number;
  readonly segmentBytes?: number;
}

/** One host: its directory, its clock, and the agent that runs now. */
class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), "outbox-"));
  readonly stream = new FakeStream();
  readonly lines: { level: LogLevel; text: string }[] = [];
  readonly ends = new Map<number, number>();
  now = 1_000_000;
  outbox: Outbox;
  #timers: { due: number; work: () => void }[] = [];

  readonly limits: Limits;

  constructor(limits: Limits = {}) {
    this.limits = limits;
    this.stream.now = () => this.now;
    this.outbox = this.#open();
  }

  #open(): Outbox {
    return Outbox.open({
      stateDir: this.dir,
      fleet: "main",
      host,
      clock: { wall: () => this.now, monotonic: () => this.now },
      log: makeLogger((level, text) => this.lines.push({ level, text })),
      setTimer: (ms, work) => {
        const timer = { due: this.now + ms, work };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
        };
      },
      ...this.limits,
    });
  }

  emit(n: number, data: Record<string, unknown> = {}): void {
    for (let i = 0; i < n; i++) this.outbox.append({ kind: "process_exited", watcher: "web", pid: 7, data });
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.now = Math.max(this.now, next.due);
      next.work();
    }
    this.now = end;
  }

  connect(): void {
    this.stream.isUp = true;
    this.stream.isCut = false;
    this.stream.loseAcks();
    this.outbox.connected();
  }

  /** The agent dies as by kill -9; with `tear`, the host loses power and half of the last line. */
  crash(tear: boolean): void {
    this.ends.set(this.outbox.epoch, this.outbox.seq);
    this.#timers = [];
    this.stream.loseAcks();
    for (const fd of readdirSync("/proc/self/fd")) {
      try {
        if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(this.dir)) closeSync(Number(fd));
      } catch {
        // The descriptor of the listing itself.
      }
    }
    if (tear) this.#tear();
    this.now++;
    this.outbox = this.#open();
    this.outbox.attach(this.stream);
    if (!this.stream.isUp) this.outbox.disconnected();
  }

  #tear(): void {
    const names = readdirSync(join(this.dir, "outbox")).filter((name) => name.startsWith(`${this.outbox.epoch}-`));
    const newest = names.sort((a, b) => Number(a.split(/[-.]/)[1]) - Number(b.split(/[-.]/)[1])).at(-1);
    if (newest === undefined) return;
    const path = join(this.dir, "outbox", newest);
    const lastLine = readFileSync(path, "utf8").trimEnd().split("\n").at(-1)!;
    if (lastLine.includes("outbox_truncated")) return; // synced at once
    truncateSync(path, statSync(path).size - Math.ceil(lastLine.length / 2));
  }

  /** All works again for long enough. */
  settle(): void {
    disk.isFull = false;
    this.stream.refusal = null;
    this.connect();
    this.run();
  }

  run(): void {
    for (let i = 0; i < 200 && (this.outbox.backlog > 0 || i < 3); i++) {
      this.stream.deliver();
      this.pass(1000);
    }
    this.ends.set(this.outbox.epoch, this.outbox.seq);
  }

  /** Numbers given that are neither in the stream nor named as lost there. */
  unexplained(): string[] {
    const lost: Lost[] = this.stream.first
      .filter(({ kind }) => kind === "outbox_truncated")
      .map(({ data }) => data as unknown as Lost);
    const out: string[] = [];
    for (const [epoch, end] of this.ends) {
      for (let seq = 1; seq <= end; seq++) {
        const isThere = this.stream.seen.has(`web1:${epoch}:${seq}`);
        if (!isThere && !lost.some((l) => l.epoch === epoch && l.from <= seq && seq <= l.to))
          out.push(`${epoch}:${seq}`);
      }
    }
    return out;
  }

  [Symbol.dispose](): void {
    disk.isFull = false;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

let bench: Bench;
const use = (limits?: Limits): Bench => (bench = new Bench(limits));
beforeEach(() => use());
afterEach(async () => {
  await bench.outbox.close();
  bench[Symbol.dispose]();
});

const seqs = (events: readonly Position[]): number[] => events.map(({ seq }) => seq);

describe("Outbox", () => {
  it("numbers from 1 and sends in order what was emitted before there was a connection", () => {
    bench.emit(3);
    expect(bench.outbox.backlog).toBe(3);
    bench.outbox.attach(bench.stream);
    bench.settle();
    expect(seqs(bench.stream.first)).toEqual([1, 2, 3]);
    expect(bench.outbox.backlog).toBe(0);
  });

  it("has at most 64 events in flight, and one while the stream has not answered yet", () => {
    bench.emit(200);
    bench.outbox.attach(bench.stream);
    expect(bench.stream.stored).toBe(1);
    bench.run();
    expect(bench.stream.stored).toBe(200);
    bench.emit(200);
    expect(bench.stream.stored).toBe(264);
  });

  it("goes back to the first unacknowledged event after two seconds of silence", () => {
    bench.outbox.attach(bench.stream);
    bench.emit(1);
    bench.stream.loseAcks();
    bench.pass(1900);
    expect(bench.stream.stored).toBe(1);
    bench.settle();
    expect(bench.stream.stored).toBe(2);
    expect(seqs(bench.stream.first)).toEqual([1]);
  });

  it("takes an error for no acknowledgement, says so once, and goes on when it is over", () => {
    bench.outbox.attach(bench.stream);
    bench.stream.refusal = "maximum bytes exceeded";
    bench.emit(5);
    for (let i = 0; i < 100; i++) {
      bench.stream.deliver();
      bench.pass(500);
    }
    expect(bench.stream.stored).toBe(0);
    expect(bench.lines.filter(({ level }) => level === "warning")).toHaveLength(1);
    bench.settle();
    expect(seqs(bench.stream.first)).toEqual([1, 2, 3, 4, 5]);
  });

  it("sends a former life's events first and does not repeat those acknowledged long ago", () => {
    bench.outbox.attach(bench.stream);
    bench.emit(10);
    bench.run();
    bench.pass(SETTLE_MS + 10_000);
    bench.emit(1);
    bench.run();
    bench.stream.isUp = false;
    bench.outbox.disconnected();
    bench.emit(2);
    bench.stream.isUp = true;
    bench.crash(false);
    bench.emit(2);
    bench.run();
    expect(seqs(bench.stream.first)).toEqual([...Array.from({ length: 13 }, (_, i) => i + 1), 1, 2]);
    expect(bench.stream.stored).toBe(16); // the eleventh twice
    expect(bench.unexplained()).toEqual([]);
  });

  it("sends again what a server without power has forgotten, also where the host was without, too", () => {
    bench.outbox.attach(bench.stream);
    bench.emit(3);
    bench.run();
    bench.pass(SETTLE_MS);
    for (const isHostDown of [false, true]) {
      bench.pass(70_000);
      bench.emit(4);
      bench.run();
      bench.stream.losePower(60_000);
      bench.outbox.disconnected();
      expect(bench.unexplained()).toHaveLength(4);
      if (isHostDown) bench.crash(false);
      bench.settle();
      expect(bench.unexplained()).toEqual([]);
      bench.pass(2 * SETTLE_MS);
      bench.emit(1);
      bench.run();
    }
    const before = bench.stream.stored;
    bench.outbox.disconnected();
    bench.settle();
    // Not all of it for ever: the last one only, which the stream has had for some seconds.
    expect(bench.stream.stored).toBe(before + 1);
  });

  it("drops whole segments when it is full and names the range, over one drop after another", () => {
    bench[Symbol.dispose]();
    use({ segmentBytes: 1000, maxBytes: 8000 });
    bench.emit(500);
    expect(bench.outbox.backlog).toBeLessThan(100);
    bench.outbox.attach(bench.stream);
    bench.settle();
    expect(bench.unexplained()).toEqual([]);
    expect(bench.lines).toContainEqual({ level: "error", text: "the outbox is full: its oldest events are dropped" });
  });

  it("drops acknowledged segments without a word beyond what it keeps", () => {
    bench[Symbol.dispose]();
    use({ segmentBytes: 1000, keepBytes: 3000 });
    bench.outbox.attach(bench.stream);
    for (let i = 0; i < 20; i++) {
      bench.emit(20);
      bench.settle();
    }
    const names = readdirSync(join(bench.dir, "outbox")).filter((name) => name.endsWith(".jsonl"));
    expect(names.length).toBeLessThanOrEqual(5);
    expect(bench.stream.first.some(({ kind }) => kind === "outbox_truncated")).toBe(false);
  });

  it("survives a full disk: says so in one line, and in an event when there is room", () => {
    bench.outbox.attach(bench.stream);
    bench.emit(3);
    disk.isFull = true;
    bench.emit(4);
    expect(bench.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    bench.settle();
    expect(bench.unexplained()).toEqual([]);
    expect(bench.stream.first.at(-1)).toMatchObject({
      seq: 8,
      kind: "outbox_truncated",
      data: { epoch: bench.outbox.epoch, from: 4, to: 7, reason: "disk" },
    });
  });

  it("says which event a torn tail has cost", () => {
    bench.emit(5);
    const { epoch } = bench.outbox;
    bench.crash(true);
    bench.settle();
    expect(bench.unexplained()).toEqual([]);
    expect(bench.stream.first.at(-1)).toMatchObject({ data: { epoch, from: 5, to: 5, reason: "torn" } });
  });

  it("goes on behind a file that was damaged or removed while it ran, and says what is gone", () => {
    bench[Symbol.dispose]();
    use({ segmentBytes: 500 });
    bench.emit(12);
    const [, second] = readdirSync(join(bench.dir, "outbox"))
      .filter((name) => name.endsWith(".jsonl"))
      .sort((a, b) => a.length - b.length || a.localeCompare(b));
    const path = join(bench.dir, "outbox", second!);
    writeFileSync(path, "x".repeat(statSync(path).size));
    bench.outbox.attach(bench.stream);
    bench.settle();
    expect(bench.unexplained()).toEqual([]);
    expect(seqs(bench.stream.first)).toContain(12);
    expect(bench.stream.first.at(-1)).toMatchObject({ kind: "outbox_truncated", data: { reason: "damaged" } });
  });

  it("keeps the identity of an event that is too long", () => {
    bench.emit(1, { text: "x".repeat(100_000) });
    bench.outbox.attach(bench.stream);
    bench.settle();
    expect(bench.stream.first[0]?.data).toMatchObject({ oversize: expect.any(Number) as number });
  });

  it("brings all of it back after any number of power cuts of the server", async () => {
    bench[Symbol.dispose]();
    const op = fc.oneof(
      { weight: 4, arbitrary: fc.record({ op: fc.constant("emit" as const), n: fc.integer({ min: 1, max: 30 }) }) },
      { weight: 4, arbitrary: fc.constant({ op: "deliver" as const }) },
      {
        weight: 4,
        arbitrary: fc.record({ op: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
      },
      fc.record({ op: fc.constant("power" as const), unsyncedMs: fc.integer({ min: 1, max: 60_000 }) }),
      fc.constant({ op: "crash" as const }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(op, { maxLength: 60 }), async (ops) => {
        use({ segmentBytes: 2000 });
        bench.outbox.attach(bench.stream);
        for (const step of ops) {
          if (step.op === "emit") bench.emit(step.n);
          else if (step.op === "deliver") bench.stream.deliver();
          else if (step.op === "pass") bench.pass(step.ms);
          else if (step.op === "crash") bench.crash(false);
          else {
            bench.stream.losePower(step.unsyncedMs);
            bench.outbox.disconnected();
            bench.connect();
          }
        }
        bench.settle();
        const told = bench.unexplained();
        const order = bench.stream.first.every((event, i) => i === 0 || isAfter(event, bench.stream.first[i - 1]!));
        await bench.outbox.close();
        bench[Symbol.dispose]();
        expect({ told, order }).toEqual({ told: [], order: true });
      }),
      { numRuns: 40 },
    );
    use();
  });

  /** The law of the outbox, for any history of trouble. */
  it("loses nothing silently, and keeps the order", async () => {
    bench[Symbol.dispose]();
    const op = fc.oneof(
      { weight: 6, arbitrary: fc.record({ op: fc.constant("emit" as const), n: fc.integer({ min: 1, max: 30 }) }) },
      { weight: 6, arbitrary: fc.constant({ op: "deliver" as const }) },
      { weight: 4, arbitrary: fc.record({ op: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 5000 }) }) },
      fc.constant({ op: "lose acks" as const }),
      fc.record({ op: fc.constant("refuse" as const), refusal: fc.constantFrom("no room", null) }),
      fc.constant({ op: "cut" as const }),
      fc.constant({ op: "disconnect" as const }),
      { weight: 2, arbitrary: fc.constant({ op: "connect" as const }) },
      fc.record({ op: fc.constant("crash" as const), tear: fc.boolean() }),
      fc.record({ op: fc.constant("disk" as const), isFull: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(op, { maxLength: 60 }), async (ops) => {
        use({ segmentBytes: 600, maxBytes: 6000, keepBytes: 1500 });
        const { stream } = bench;
        bench.outbox.attach(stream);
        for (const step of ops) {
          if (step.op === "emit") bench.emit(step.n);
          else if (step.op === "deliver") stream.deliver();
          else if (step.op === "pass") bench.pass(step.ms);
          else if (step.op === "lose acks") stream.loseAcks();
          else if (step.op === "refuse") stream.refusal = step.refusal;
          else if (step.op === "cut") stream.isCut = true;
          else if (step.op === "connect") bench.connect();
          else if (step.op === "disk") disk.isFull = step.isFull;
          else if (step.op === "disconnect") {
            stream.isUp = false;
            bench.outbox.disconnected();
          } else {
            // What a crash on a full disk takes with it nobody can know of.
            disk.isFull = false;
            bench.pass(1000);
            bench.crash(step.tear);
          }
        }
        bench.settle();
        const told = bench.unexplained();
        // A stream that refuses one event and takes the next has them out of order until the first is repeated.
        const hasRefused = ops.some(({ op }) => op === "refuse");
        const order = hasRefused || stream.first.every((event, i) => i === 0 || isAfter(event, stream.first[i - 1]!));
        const { backlog } = bench.outbox;
        await bench.outbox.close();
        bench[Symbol.dispose]();
        expect({ told, order, backlog }).toEqual({ told: [], order: true, backlog: 0 });
      }),
      { numRuns: 150 },
    );
    use();
  });
});
