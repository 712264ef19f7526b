import { describe, expect, it } from "vitest";
import { table } from "./table.ts";

const COLUMNS = [{ title: "NAME" }, { title: "N", isRight: true }, { title: "WHY" }];

describe("table()", () => {
  it("aligns, leaves out what is empty everywhere, and ends no line with blanks", () => {
    expect(
      table(
        COLUMNS,
        [
          ["a", "10", ""],
          ["bcdefg", "9", ""],
        ],
        false,
      ),
    ).toEqual(["NAME     N", "a       10", "bcdefg   9"]);
  });

  it("colours only where it may, and widths do not count colours", () => {
    const rows = [[{ text: "a", tone: "bad" as const }, "1", "x"]];
    expect(table(COLUMNS, rows, false)[1]).toBe("a     1  x");
    expect(table(COLUMNS, rows, true)[1]).toBe("\u001b[31ma\u001b[0m     1  x");
  });

  it("does not let text from a wire drive the terminal", () => {
    expect(table(COLUMNS, [["\u001b[2Ja\n", "1", "\u202eb"]], false)[1]).toBe("?[2Ja?  1  ?b");
  });
});
