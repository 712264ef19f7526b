import { expect, it } from "vitest";
import { boundedLines } from "./stderr-lines.ts";

it("drops lines for a reader that sleeps, and says how many once it reads again", () => {
  const stream = {
    text: "",
    writableLength: 0,
    write: (line: string): boolean => {
      stream.text += line;
      return true;
    },
  };
  const write = boundedLines(stream, (lines) => `lost ${lines}\n`);
  write("a\n");
  stream.writableLength = 2 * 1024 * 1024;
  write("b\n");
  write("c\n");
  stream.writableLength = 0;
  write("d\n");
  write("e\n");
  expect(stream.text).toBe("a\nlost 2\nd\ne\n");
});
