import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineCutter } from "./lines.ts";
import { type Format, fancy, timed } from "./prefix.ts";

const now = () => "12:00 Uhr é";

function format(how: Format, parts: readonly (string | Buffer)[], bytesMax?: number): string {
  const cutter = new LineCutter(bytesMax);
  const pieces = [...parts.map((part) => cutter.push(Buffer.from(part as string))), cutter.end()];
  return Buffer.concat(pieces.flatMap((piece) => (piece === null ? [] : [how(piece, 7)]))).toString();
}

describe("timed", () => {
  const p = "12:00 Uhr é [7] | ";

  it("stands before each line, empty ones too, and never within one (D12)", () => {
    expect(format(timed(now), ["a\n\nb", "c\nd", "e\n"])).toBe(`${p}a\n${p}\n${p}bc\n${p}de\n`);
  });

  it("begins a line that comes in pieces once, and ends what a process left unfinished", () => {
    expect(format(timed(now), ["abcdefgh", "ijkl\nm", "n"], 4)).toBe(`${p}abcdefghijkl\n${p}mn\n`);
    expect(format(timed(now), ["abcdefgh"], 4)).toBe(`${p}abcdefgh\n`);
  });

  it("leaves bytes of any encoding unchanged", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const cutter = new LineCutter();
        const pieces = [cutter.push(bytes), cutter.end()].filter((piece) => piece !== null);
        const out = Buffer.concat(pieces.map((piece) => timed(() => "")(piece, 1))).toString("latin1");
        const lines = Buffer.from(bytes).toString("latin1").split("\n");
        if (lines.at(-1) === "") lines.pop();
        expect(out).toBe(lines.map((line) => ` [1] | ${line}\n`).join(""));
      }),
    );
  });
});

describe("fancy", () => {
  it("colours each line that is not empty", () => {
    expect(format(fancy(now, 2), ["a\n\nb"])).toBe(
      "\x1b[0;32;40m12:00 Uhr é [7] | a\x1b[0m\n\x1b[0;32;40m12:00 Uhr é [7] | b\x1b[0m\n",
    );
  });
});
