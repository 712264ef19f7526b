import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LogRecord } from "./format.ts";
import { type Outlet, streamSink } from "./stream-sink.ts";

/** A pipe with room for so many bytes. */
class Pipe implements Outlet {
  text = "";
  room = Number.POSITIVE_INFINITY;
  code = "EAGAIN";
  isClosed = false;

  write(bytes: Uint8Array): number {
    const length = Math.min(this.room, bytes.length);
    if (length === 0) throw Object.assign(new Error("no"), { code: this.code });
    this.room -= length;
    this.text += Buffer.from(bytes.subarray(0, length)).toString();
    return length;
  }

  isReady(): boolean {
    return this.room > 0;
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
  }
}

const record = (text: string): LogRecord => ({ when: new Date(), pid: 1, level: "info", text, fields: {} });

describe("streamSink()", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("writes at once; what finds no room waits, in order, and lines stay whole", async () => {
    const pipe = new Pipe();
    using sink = streamSink(pipe);
    sink.write(record("one"));
    expect(pipe.text).toMatch(/ one\n$/);
    pipe.room = 10;
    sink.write(record("two"));
    sink.write(record("three"));
    pipe.room = Number.POSITIVE_INFINITY;
    await vi.advanceTimersByTimeAsync(200);
    expect(pipe.text).toMatch(/^\S+ \S+ \S+ \S+ one\n\S+ \S+ \S+ \S+ two\n\S+ \S+ \S+ \S+ three\n$/);
  });

  it("keeps a bounded number of lines for a reader that sleeps, and tells how many were lost", async () => {
    const pipe = new Pipe();
    using sink = streamSink(pipe);
    pipe.room = 0;
    for (let i = 0; i < 10_000; i++) sink.write(record("x".repeat(100)));
    pipe.room = Number.POSITIVE_INFINITY;
    await vi.advanceTimersByTimeAsync(200);
    const lines = pipe.text.trimEnd().split("\n");
    expect(pipe.text.length).toBeLessThan(300 * 1024);
    const [, lost = ""] = /\[WARNING\] the log lost lines: nobody read it lines=(\d+)$/.exec(lines.at(-1) ?? "") ?? [];
    expect(Number(lost) + lines.length - 1).toBe(10_000);
  });

  it("a reader that has gone costs its lines; the end writes what it can and closes", () => {
    const pipe = new Pipe();
    const sink = streamSink(pipe);
    [pipe.room, pipe.code] = [0, "EPIPE"];
    sink.write(record("lost"));
    pipe.code = "EAGAIN";
    sink.write(record("last"));
    pipe.room = Number.POSITIVE_INFINITY;
    sink[Symbol.dispose]();
    sink[Symbol.dispose]();
    sink.write(record("late"));
    expect(pipe.text).toMatch(/^\S+ \S+ \S+ \S+ last\n$/);
    expect(pipe.isClosed).toBe(true);
  });
});
