import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogQueue } from "./queue.ts";

const chunk = (text: string, pid = 7) => ({ stream: "stdout", pid, time: 5, bytes: Buffer.from(text) }) as const;
const texts = (lines: readonly { readonly line: string }[]): string[] => lines.map(({ line }) => line);

describe("LogQueue", () => {
  it("gives whole lines with their process and stream, as many as are wanted", () => {
    const queue = new LogQueue(10_000);
    queue.push(chunk("a\n\nb\n"));
    queue.push({ ...chunk("c"), pid: 8, stream: "stderr" });
    expect(queue.take(1)).toEqual({ lines: [{ stream: "stdout", pid: 7, time: 5, line: "a" }], leftOut: 0 });
    expect(queue.take(10_000)).toEqual({
      lines: [
        { stream: "stdout", pid: 7, time: 5, line: "" },
        { stream: "stdout", pid: 7, time: 5, line: "b" },
        { stream: "stderr", pid: 8, time: 5, line: "c" },
      ],
      leftOut: 0,
    });
    expect([queue.isEmpty, queue.bytes]).toEqual([true, 0]);
  });

  it("drops the oldest lines where it is full, and counts them once", () => {
    const queue = new LogQueue(1000);
    for (let n = 0; n < 10; n++) queue.push(chunk(`${n}\n`.repeat(50)));
    expect(queue.bytes).toBeLessThanOrEqual(1000);
    const { lines, leftOut } = queue.take(1e6);
    expect(lines.length + leftOut).toBe(500);
    expect(lines.at(-1)?.line).toBe("9");
    expect(queue.take(1e6)).toEqual({ lines: [], leftOut: 0 });
  });

  it("keeps whole lines from the end of a chunk that is larger than all of it", () => {
    const queue = new LogQueue(300);
    queue.push(chunk("old\n"));
    queue.push(chunk(`${"x".repeat(1000)}\nlast\n`));
    expect(queue.take(1e6)).toMatchObject({ lines: [{ line: "last" }], leftOut: 2 });
  });

  it("cuts a very long line, and says so", () => {
    const queue = new LogQueue(200_000);
    queue.push(chunk(`${"é".repeat(40_000)}\n`));
    const [line] = texts(queue.take(1e6).lines);
    expect(line).toBe(`${"é".repeat(32_768)} … (7232 characters more)`);
  });

  it("never loses a line without counting it, and stays within its bound", () => {
    const line = fc.string({ maxLength: 40 }).map((text) => `${text.replaceAll("\n", " ")}\n`);
    const step = fc.oneof(fc.array(line, { minLength: 1, maxLength: 20 }), fc.nat({ max: 500 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = new LogQueue(1500);
        let [pushed, seen] = [0, 0];
        for (const one of steps) {
          if (typeof one === "number") {
            const { lines, leftOut } = queue.take(one);
            seen += lines.length + leftOut;
          } else {
            queue.push(chunk(one.join("")));
            pushed += one.length;
          }
          expect(queue.bytes).toBeLessThanOrEqual(1500);
        }
        const { lines, leftOut } = queue.take(1e9);
        expect(seen + lines.length + leftOut).toBe(pushed);
      }),
    );
  });
});
