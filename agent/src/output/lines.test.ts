import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineCutter, type Piece, wholeCharacters } from "./lines.ts";

/** Text of short lines, long lines and characters of one to four bytes. */
const text = fc
  .array(fc.oneof(fc.constant("\n"), fc.string({ unit: "binary", maxLength: 6 }), fc.constant("é€😀".repeat(9))), {
    maxLength: 20,
  })
  .map((parts) => Buffer.from(parts.join("")));

/** The same bytes, delivered as the kernel likes. */
function chunks(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

function cut(parts: readonly Buffer[], bytesMax: number): Piece[] {
  const cutter = new LineCutter(bytesMax);
  // One memory for every chunk, as the agent reads: what was taken must not change with it.
  const memory = Buffer.alloc(4096);
  const pieces = parts.map((part) => {
    part.copy(memory);
    return cutter.push(memory.subarray(0, part.length));
  });
  return [...pieces, cutter.end()].filter((piece) => piece !== null);
}

const isText = (bytes: Buffer): boolean => Buffer.from(bytes.toString()).equals(bytes);

describe("LineCutter", () => {
  it("gives back all bytes in order, in whole lines and whole characters, wherever they were cut", () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 12 }), fc.integer({ min: 4, max: 40 }), (bytes, cuts, max) => {
        const pieces = cut(chunks(bytes, cuts), max);
        expect(Buffer.concat(pieces.map((piece) => piece.bytes))).toEqual(bytes);
        let isMidLine = false;
        for (const piece of pieces) {
          expect(isText(piece.bytes)).toBe(true);
          expect(piece.isContinued).toBe(isMidLine);
          isMidLine = piece.bytes.length > 0 ? piece.bytes.at(-1) !== 10 : isMidLine;
          // Only a line that is longer than the bound is handed on before its end.
          if (isMidLine && !piece.isLast) {
            const line = piece.bytes.subarray(piece.bytes.lastIndexOf(10) + 1);
            expect(line.length).toBeGreaterThan(max - 4);
          }
        }
      }),
    );
  });

  it("holds a line back until it ends, and never more than the bound", () => {
    const cutter = new LineCutter(8);
    expect(cutter.push(Buffer.from("abc"))).toBeNull();
    expect(cutter.push(Buffer.from("d\nef"))?.bytes.toString()).toBe("abcd\n");
    expect(cutter.push(Buffer.from("ghijk"))).toBeNull();
    expect(cutter.push(Buffer.from("lm"))).toMatchObject({ isContinued: false, isLast: false });
    expect(cutter.push(Buffer.from("n\n"))).toMatchObject({ bytes: Buffer.from("n\n"), isContinued: true });
    expect(cutter.end()).toBeNull();
  });

  it("says at the end that a line never was finished, also where all of it is out", () => {
    const cutter = new LineCutter(4);
    expect(cutter.push(Buffer.from("abcdef"))?.bytes.toString()).toBe("abcdef");
    expect(cutter.end()).toEqual({ bytes: Buffer.alloc(0), isContinued: true, isLast: true });
  });
});

describe("wholeCharacters", () => {
  it.each([
    ["abc", 3],
    ["é", 2],
    [Buffer.concat([Buffer.from("a"), Buffer.from("é").subarray(0, 1)]), 1],
    [Buffer.concat([Buffer.from("a"), Buffer.from("😀").subarray(0, 3)]), 1],
    [Buffer.concat([Buffer.from("a"), Buffer.from("😀")]), 5],
    [Buffer.from([0x61, 0x80, 0x80, 0x80, 0x80]), 5],
    ["", 0],
  ])("%j: %i", (bytes, whole) => {
    expect(wholeCharacters(Buffer.from(bytes as string))).toBe(whole);
  });
});
