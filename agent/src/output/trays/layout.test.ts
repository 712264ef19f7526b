import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineCutter } from "../lines.ts";
import { type Extent, type LeftBytes, leftIn, outOf, type Place, remainder, TRAY_BYTES, TrayImage } from "./layout.ts";

const FIFO = "web.1.stdout.0123456789ab";
const INODE = 7;

/** What an agent finds that begins when the file is that. */
function found(left: LeftBytes, file: Place | null, text = ""): string {
  const linesIn = ({ size, length }: Extent): number => text.slice(size, size + length).split("\n").length - 1;
  const out = left.write === null ? 0 : outOf(left.write, file, linesIn);
  const { held, read } = remainder(left, out);
  return `${held.toString()}|${read.toString()}`;
}

/** An agent with one output and one file; it is killed after so many steps, and does nothing from then on. */
class Life {
  readonly memory = new Uint8Array(TRAY_BYTES);
  /** What is no longer in the FIFO, and what is in the file. */
  taken = "";
  file = "";
  readonly #image = new TrayImage(this.memory);
  readonly #cutter = new LineCutter();
  #steps: number;

  constructor(steps: number) {
    this.#steps = steps;
    this.#image.begin(FIFO);
  }

  take(text: string): void {
    if (!this.#lives()) return;
    const chunk = Buffer.from(text);
    this.#image.read.set(chunk);
    this.taken += text;
    const before = this.#cutter.heldBytes;
    const piece = this.#cutter.push(chunk);
    if (piece !== null) {
      if (!this.#lives()) return;
      const to = { inode: INODE, size: Buffer.byteLength(this.file), length: piece.bytes.length };
      this.#image.mark({ cut: before + chunk.length - this.#cutter.heldBytes, lines: 0, to });
      if (!this.#lives()) return;
      this.file += piece.bytes.toString();
    }
    if (this.#lives()) this.#image.settle(this.#cutter.held, chunk.length);
  }

  #lives(): boolean {
    return --this.#steps >= 0;
  }
}

const chunks = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "é", "\n"), minLength: 1, maxLength: 30 }), {
  minLength: 1,
  maxLength: 20,
});

describe("TrayImage", () => {
  it("loses nothing and repeats nothing, whenever its agent is killed", () => {
    fc.assert(
      fc.property(chunks, fc.nat({ max: 90 }), (texts, steps) => {
        const life = new Life(steps);
        for (const text of texts) life.take(text);
        const tray = leftIn(Buffer.from(life.memory));
        const end = { inode: INODE, size: Buffer.byteLength(life.file) };
        expect(tray?.fifo ?? FIFO).toBe(FIFO);
        expect(life.file + (tray === null ? "" : found(tray.left, end).replace("|", ""))).toBe(life.taken);
      }),
    );
  });

  it("has only the beginning of a line while what was read is overwritten", () => {
    const memory = new Uint8Array(TRAY_BYTES);
    const image = new TrayImage(memory);
    image.begin(FIFO);
    image.settle(Buffer.from("begun "), 0);
    image.read.set(Buffer.from("one\ntw"));
    image.mark({ cut: 10, lines: 0, to: { inode: INODE, size: 0, length: 10 } });
    const before = Buffer.from(memory);
    const states: Buffer[] = [];
    const fill = image.read.fill.bind(image.read);
    image.read.fill = (...args) => {
      states.push(Buffer.from(memory));
      fill(...args);
      states.push(Buffer.from(memory));
      return image.read;
    };
    image.settle(Buffer.from("tw"), 6);
    expect(leftIn(before)?.left).toEqual({
      held: Buffer.from("begun "),
      read: Buffer.from("one\ntw"),
      write: { cut: 10, lines: 0, to: { inode: INODE, size: 0, length: 10 } },
    });
    expect(states).toHaveLength(2);
    for (const state of [...states, Buffer.from(memory)]) {
      expect(leftIn(state)?.left).toEqual({ held: Buffer.from("tw"), read: Buffer.alloc(0), write: null });
    }
    image.clear();
    expect(leftIn(Buffer.from(memory))).toBeNull();
  });

  it("writes again what went into another file, and the lines that are not in this one", () => {
    const write = { cut: 10, lines: 0, to: { inode: INODE, size: 6, length: 10 } };
    const left = { held: Buffer.from("be"), read: Buffer.from("gun\ntwo\nmore"), write };
    const text = "before" + "begun\ntwo\n";
    const at = (size: number, inode = INODE): string => found(left, { inode, size }, text);
    expect([at(6), at(11), at(12), at(15), at(16)]).toEqual([
      "be|gun\ntwo\nmore",
      "be|gun\ntwo\nmore",
      "|two\nmore",
      "|two\nmore",
      "|more",
    ]);
    expect(at(16, INODE + 1)).toBe("be|gun\ntwo\nmore");
    expect(found(left, null)).toBe("be|gun\ntwo\nmore");
    // The first line went into a file that was rotated away.
    const next = { ...left, write: { cut: 10, lines: 1, to: { inode: INODE, size: 0, length: 4 } } };
    expect(found(next, { inode: INODE + 1, size: 0 })).toBe("|two\nmore");
    expect(found(next, { inode: INODE, size: 4 }, "two\n")).toBe("|more");
    expect(found({ ...left, write: { cut: 10, lines: 1, to: null } }, { inode: INODE, size: 0 })).toBe("|two\nmore");
  });
});
