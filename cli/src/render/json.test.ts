import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NumberText, readJson, writeJson } from "./json.ts";

describe("readJson(), writeJson()", () => {
  it("keep how numbers are written and in which order keys stand", () => {
    const text = '{"b":30.0,"2":1,"1":-0.5e-3,"a":[1,2.50,null,true]}';
    expect(writeJson(readJson(text))).toBe('{"b": 30.0, "2": 1, "1": -0.5e-3, "a": [1, 2.50, null, true]}');
    expect(readJson("7")).toEqual(new NumberText("7"));
  });

  it("write ASCII, as Python does", () => {
    expect(writeJson(readJson('{"ä":"€ \\n 😀 \\u0001"}'))).toBe('{"\\u00e4": "\\u20ac \\n \\ud83d\\ude00 \\u0001"}');
  });

  it("indent and sort keys", () => {
    expect(writeJson(readJson('{"b":[],"a":{"x":[1,{}]}}'), 2)).toBe(
      ["{", '  "a": {', '    "x": [', "      1,", "      {}", "    ]", "  },", '  "b": []', "}"].join("\n"),
    );
  });

  it("refuse what is no JSON", () => {
    expect(() => readJson("{'a': 1}")).toThrow(SyntaxError);
  });

  it("any value survives", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
        expect(JSON.parse(writeJson(readJson(text), indent))).toEqual(JSON.parse(text));
      }),
    );
  });
});
