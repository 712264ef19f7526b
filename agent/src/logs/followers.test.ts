import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Followers } from "./followers.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const make = (): Followers => new Followers({ wall: () => 5, monotonic: () => performance.now() });
const write = (followers: Followers, text: string): void => followers.offer("web", "stdout", Buffer.from(text), 7);
const texts = ({ lines }: { lines: readonly { line: string }[] }): string[] => lines.map(({ line }) => line);

describe("Followers", () => {
  it("gives lines from the moment of the lease on, at once where somebody waits for them", async () => {
    using followers = make();
    write(followers, "before\n");
    const lease = followers.open("web");
    followers.offer("db", "stdout", Buffer.from("other\n"), 8);
    const asked = followers.take(lease, "web", 0, 10_000);
    write(followers, "a\nb\n");
    const batch = await asked;
    expect(batch).toMatchObject({ lease, number: 1, left_out: 0 });
    expect(texts(batch)).toEqual(["a", "b"]);
  });

  it("gives a batch again until the next one is asked for, and an empty answer after the wait", async () => {
    using followers = make();
    const lease = followers.open("web");
    write(followers, "a\n");
    expect(texts(await followers.take(lease, "web", 0, 0))).toEqual(["a"]);
    write(followers, "b\n");
    expect(texts(await followers.take(lease, "web", 0, 0))).toEqual(["a"]);
    const next = followers.take(lease, "web", 1, 1000);
    await vi.advanceTimersByTimeAsync(100);
    expect(texts(await next)).toEqual(["b"]);
    const empty = followers.take(lease, "web", 2, 1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await empty).toEqual({ lease, number: 2, lines: [], left_out: 0 });
  });

  it("keeps within its bound what a slow reader does not take, and says how many lines it cost", async () => {
    using followers = make();
    const lease = followers.open("web");
    const megabyte = `${"x".repeat(99)}\n`.repeat(10_000);
    for (let n = 0; n < 20; n++) write(followers, megabyte);
    let [seen, leftOut, taken] = [0, 0, 0];
    for (;;) {
      const asked = followers.take(lease, "web", taken, 0);
      await vi.advanceTimersByTimeAsync(100);
      const batch = await asked;
      if (batch.lines.length === 0) break;
      expect(JSON.stringify(batch).length).toBeLessThan(512 * 1024);
      seen += batch.lines.length;
      leftOut += batch.left_out;
      taken = batch.number;
    }
    expect(seen + leftOut).toBe(200_000);
    expect(seen).toBeLessThanOrEqual(20_000);
  });

  it("gives a reader that is as fast as can be no more than ten batches a second", async () => {
    using followers = make();
    const lease = followers.open("web");
    let [taken, isOver] = [0, false];
    const reading = (async () => {
      while (!isOver) {
        write(followers, "line\n");
        taken = (await followers.take(lease, "web", taken, 1000)).number;
      }
    })();
    await vi.advanceTimersByTimeAsync(3000);
    isOver = true;
    await vi.advanceTimersByTimeAsync(1000);
    await reading;
    expect(taken).toBeGreaterThan(20);
    expect(taken).toBeLessThanOrEqual(42);
  });

  it("ends a lease that nobody asks for, of too many the idlest, and all at the end", async () => {
    using followers = make();
    const gone = { lease: null, number: 0, lines: [], left_out: 0 };
    const [idle, kept] = [followers.open("web"), followers.open("web")];
    for (let n = 0; n < 4; n++) {
      await vi.advanceTimersByTimeAsync(10_000);
      await followers.take(kept, "web", 0, 0);
    }
    expect(await followers.take(idle, "web", 0, 0)).toEqual(gone);
    expect(await followers.take(kept, "db", 0, 0)).toEqual(gone);
    expect((await followers.take(kept, "web", 0, 0)).lease).toBe(kept);
    await vi.advanceTimersByTimeAsync(10);
    for (let n = 0; n < 16; n++) followers.open("web");
    expect(await followers.take(kept, "web", 0, 0)).toEqual(gone);
    const waiting = followers.take(followers.open("web"), "web", 0, 10_000);
    followers[Symbol.dispose]();
    expect(await waiting).toEqual(gone);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("answers the last of two questions, and the first with nothing", async () => {
    using followers = make();
    const lease = followers.open("web");
    const first = followers.take(lease, "web", 0, 10_000);
    const second = followers.take(lease, "web", 0, 10_000);
    expect(texts(await first)).toEqual([]);
    write(followers, "a\n");
    expect(texts(await second)).toEqual(["a"]);
  });
});
