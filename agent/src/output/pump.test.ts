import { makeLogger } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { Pump } from "./pump.ts";
import type { Target } from "./sink.ts";

/** A target that does what it is told. */
class Disk implements Target {
  readonly name = "disk";
  written = "";
  /** Writes that fail from now on, each with its code. */
  fail: string | null = null;
  /** At most so many bytes at a time. */
  step = Number.POSITIVE_INFINITY;
  isClosed = false;

  write(bytes: Buffer): Promise<number> {
    if (this.fail !== null) return Promise.reject(Object.assign(new Error(this.fail), { code: this.fail }));
    const part = bytes.subarray(0, this.step);
    this.written += part.toString();
    return Promise.resolve(part.length);
  }

  reopen(): void {
    this.fail = null;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function world(patienceMs?: number) {
  const disk = new Disk();
  const told: string[] = [];
  const log = makeLogger((level, text, fields) => void told.push(`${level} ${text} ${JSON.stringify(fields)}`));
  const pump = new Pump(disk, { log, ...(patienceMs === undefined ? {} : { patienceMs }) });
  return { disk, told, pump };
}

describe("Pump", () => {
  it("writes at once where its target can, and the rest in order", async () => {
    const { disk, pump, told } = world();
    let room = 6;
    const now = (bytes: Buffer): number => {
      if (room < 0) throw Object.assign(new Error("EIO"), { code: "EIO" });
      const part = bytes.subarray(0, room);
      room -= part.length;
      disk.written += part.toString();
      return part.length;
    };
    Object.assign(disk, { writeNow: now });
    pump.write(Buffer.from("one\n"), 1);
    expect(disk.written).toBe("one\n");
    pump.write(Buffer.from("two\n"), 1);
    pump.write(Buffer.from("three\n"), 1);
    expect(disk.written).toContain("one\ntw");
    await pump.flush(1000);
    room = -1;
    pump.write(Buffer.from("four"), 1);
    room = 100;
    pump.write(Buffer.from("five\n"), 2);
    await pump.close(1000);
    expect([disk.written, told]).toEqual(["one\ntwo\nthree\nfour\nfive\n", []]);
  });

  it("writes at once again after it had to wait, though processes never pause", async () => {
    const { disk, pump } = world();
    let [isNow, atOnce, later] = [true, 0, 0];
    Object.assign(disk, {
      writeNow: (bytes: Buffer): number => {
        if (!isNow) return 0;
        atOnce++;
        disk.written += bytes.toString();
        return bytes.length;
      },
      write: (bytes: Buffer): Promise<number> => {
        isNow = true;
        later++;
        disk.written += bytes.toString();
        // While it is under way, the next line comes.
        if (later < 10) pump.write(Buffer.from(`${later}\n`), 1);
        return Promise.resolve(bytes.length);
      },
    });
    pump.write(Buffer.from("a\n"), 1);
    isNow = false; // a rotation, say
    pump.write(Buffer.from("b\n"), 1);
    await pump.flush(1000);
    expect([disk.written, atOnce, later]).toEqual(["a\nb\n1\n", 2, 1]);
  });

  it("writes all in order, also where a write takes only a part", async () => {
    const { disk, pump } = world();
    disk.step = 3;
    for (let i = 0; i < 50; i++) pump.write(Buffer.from(`line ${i}\n`), 1);
    await pump.close(1000);
    expect(disk.written).toBe(Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join(""));
    expect(disk.isClosed).toBe(true);
  });

  it("never joins the lines of two processes", async () => {
    const { disk, pump } = world();
    pump.write(Buffer.from("half"), 1);
    pump.write(Buffer.from("other\n"), 2);
    pump.write(Buffer.from("a line's "), 3);
    pump.write(Buffer.from("rest\n"), 3);
    await pump.flush(1000);
    expect(disk.written).toBe("half\nother\na line's rest\n");
  });

  it("tries again what fails, says so once, and loses nothing", async () => {
    const { disk, told, pump } = world();
    disk.fail = "ENOSPC";
    pump.write(Buffer.from("a\n"), 1);
    await expect.poll(() => told.length).toBe(1);
    pump.write(Buffer.from("b\n"), 1);
    pump.reopen(); // as SIGUSR1: at once
    await pump.flush(5000);
    expect(disk.written).toBe("a\nb\n");
    expect(told.filter((line) => !line.startsWith("debug"))).toEqual([
      'error cannot write output, trying again {"to":"disk","reason":"ENOSPC"}',
    ]);
  });

  it("tells readers to pause while much waits, and to go on", async () => {
    const { disk, pump } = world();
    const turns: boolean[] = [];
    pump.listen(() => turns.push(pump.isFull));
    disk.fail = "ENOSPC";
    for (let i = 0; i < 4; i++) pump.write(Buffer.alloc(1024 * 1024, "x"), 1);
    expect(turns).toEqual([true]);
    pump.reopen();
    await expect.poll(() => turns, { timeout: 5000 }).toEqual([true, false]);
    expect(disk.written.length).toBe(4 * 1024 * 1024);
  });

  it("gives up after its patience, counts what is lost and tells it when it can write again", async () => {
    const { disk, told, pump } = world(0);
    disk.fail = "ENOSPC";
    pump.write(Buffer.from("a\nb\n"), 1);
    await pump.flush(5000);
    pump.write(Buffer.from("c\n"), 1);
    await pump.flush(5000);
    expect(pump.isFull).toBe(false);
    disk.fail = null;
    pump.write(Buffer.from("d\n"), 1);
    await pump.flush(5000);
    expect(disk.written).toBe("d\n");
    expect(told).toEqual([
      'error cannot write output, trying again {"to":"disk","reason":"ENOSPC"}',
      'error output is being lost {"to":"disk","reason":"ENOSPC"}',
      'error output was lost {"to":"disk","bytes":6,"lines":3}',
    ]);
  });

  it("is closed in time although nothing can be written", async () => {
    const { disk, told, pump } = world();
    disk.fail = "ENOSPC";
    pump.write(Buffer.from("a\n"), 1);
    await pump.close(50);
    expect(disk.isClosed).toBe(true);
    expect(told.at(-1)).toBe('error output was lost {"to":"disk","bytes":2,"lines":1}');
  });

  it("waits with its first write for what belongs before it", async () => {
    const { disk, pump } = world();
    let release: () => void = () => undefined;
    pump.holdFor(new Promise<void>((resolve) => (release = resolve)));
    pump.write(Buffer.from("later\n"), 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(disk.written).toBe("");
    release();
    await pump.flush(1000);
    expect(disk.written).toBe("later\n");
  });
});
