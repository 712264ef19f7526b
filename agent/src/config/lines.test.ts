import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseFile } from "./lines.ts";

function values(text: string): Record<string, Record<string, string>> {
  return Object.fromEntries(
    parseFile("/a.ini", text).sections.map(({ name, entries }) => [
      name,
      Object.fromEntries(entries.map(({ key, value }) => [key, value])),
    ]),
  );
}

function findings(text: string): string[] {
  return parseFile("/a.ini", text).diagnostics.map(
    ({ severity, at, message }) => `${severity} ${at?.line ?? 0} ${message}`,
  );
}

describe("the rules of the dialect (reference §1.1)", () => {
  test.each<[rule: string, body: string, expected: Record<string, string>]>([
    ["`=` delimits", "cmd = sleep 1", { cmd: "sleep 1" }],
    ["`:` delimits", "cmd: sleep 1", { cmd: "sleep 1" }],
    ["the first delimiter splits", "url = http://x:80/y?a=b", { url: "http://x:80/y?a=b" }],
    ["`:` before `=` splits", "a:b=c", { a: "b=c" }],
    ["key case is kept", "Cmd = x\ncmd = y", { Cmd: "x", cmd: "y" }],
    ["column 0 comments", "#a = 1\n;b = 2\nc = 3", { c: "3" }],
    ["rem with a blank is a comment, any case", "rem = 1\nREM x = 2\nrem\nremark = 3", { remark: "3" }],
    ["rem without a blank is a key", "rem=1", { rem: "1" }],
    [
      "an inline comment needs white space before the `;`",
      "a = x ; y\nb = x;y\nc = x\t;y",
      { a: "x", b: "x;y", c: "x" },
    ],
    ["only the first `;` counts", "cmd = echo a;b ; c", { cmd: "echo a;b ; c" }],
    ["a leading `;` is text", "a = ;b", { a: ";b" }],
    ["`#` never starts an inline comment", "a = x # y", { a: "x # y" }],
    ["continuation lines", "a = x\n  y\n\tz", { a: "x\ny\nz" }],
    ["blank and comment lines do not end a value", "a = x\n\n# note\n  y", { a: "x\ny" }],
    ["continuations are not comment-stripped", "a = x\n  # y\n  k = v ; z", { a: "x\n# y\nk = v ; z" }],
    ["a continuation after an empty value", "a =\n  b", { a: "\nb" }],
    ["an indented first option keeps its blanks in the key", "  a = x", { "  a": "x" }],
    ["empty values", 'a =\nb = ""\nc = ""x', { a: "", b: "", c: '""x' }],
    ["quotes stay", `a = "x"\nb = 'y'`, { a: '"x"', b: "'y'" }],
    ["no booleans, null or numbers", "a = true\nb = null\nc = 1", { a: "true", b: "null", c: "1" }],
    ["no arrays", "a[] = 1\nb = [2]", { "a[]": "1", b: "[2]" }],
    ["no escapes", String.raw`a = \n\;\u0041`, { a: String.raw`\n\;\u0041` }],
    ["`%` is plain", "a = %(here)s %d", { a: "%(here)s %d" }],
    ["the first definition wins", "a = 1\na = 2", { a: "1" }],
    ["a rejected repeat takes its continuation along", "a = 1\na = 2\n  3", { a: "1" }],
  ])("%s", (_, body, expected) => {
    expect(values(`[s]\n${body}\n`)).toEqual({ s: expected });
  });

  test("sections: dots, the last bracket, case, repeats, other line ends, a byte order mark", () => {
    const text = "\uFEFF[a.b.c]\r\nx = 1\r\n[A]]\r\n[q[1]] tail\ry = 2\n[a.b.c]\nz = 3\n";
    expect(values(text)).toEqual({ "a.b.c": { x: "1", z: "3" }, "A]": {}, "q[1]": { y: "2" } });
  });

  test("a header ends the value above it, so its first indented line is a key", () => {
    expect(values("[a]\nx = 1\n[b]\n y = 2\n")).toEqual({ a: { x: "1" }, b: { " y": "2" } });
  });
});

test("every key remembers its line, across continuations and repeated sections", () => {
  const { sections } = parseFile("/a.ini", "\n[a]\nx = 1\n  more\n\n[b]\ny = 2\n[a]\nz = 3\n");
  expect(sections.map(({ name, at }) => [name, at.line])).toEqual([
    ["a", 2],
    ["b", 6],
  ]);
  expect(sections[0]?.entries.map(({ key, at }) => [key, at.line])).toEqual([
    ["x", 3],
    ["z", 9],
  ]);
});

describe("faults", () => {
  test("all lines without a delimiter are listed", () => {
    expect(findings("[a]\nsleep 10\nx = 1\n[]\n")).toEqual([
      "error 2 'sleep 10' has no '=' or ':'",
      "error 4 '[]' has no '=' or ':'",
    ]);
  });
  test("options before the first section are one fault", () => {
    expect(findings("x = 1\ny = 2\n[a]\n")).toEqual(["error 1 'x = 1' stands before the first [section]"]);
  });
  test("repeats and missing keys are warnings", () => {
    expect(findings("[a]\nx = 1\nx = 2\n= 3\n")).toEqual([
      "warning 3 'x' is already set at line 2; this one is ignored",
      "warning 4 no key before '='; the line is ignored",
    ]);
  });
  test("NUL is refused and control characters reach no terminal", () => {
    expect(findings("[a]\nx = a\0b\n\u001b[31mred\n")).toEqual([
      "error 2 the line holds a NUL character",
      "error 3 '\\u001b[31mred' has no '=' or ':'",
    ]);
  });
});

describe("laws", () => {
  const printableChar = fc.constantFrom(
    ...[
      "a",
      "Z",
      "0",
      ".",
      "[",
      "]",
      "%",
      '"',
      "'",
      "\\",
      "@",
      "$",
      "(",
      ")",
      "é",
      "\u2028",
      "😀",
      "\ud800",
      "_",
      "-",
      "{",
      ",",
    ],
  );
  const odd = fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "true",
    "a[]",
    "hasOwnProperty",
    "%2E",
    "a\\.b",
    "1",
    "a.b",
  );
  const word = fc.oneof(odd, fc.string({ unit: printableChar, minLength: 1, maxLength: 12 }));
  const key = word.filter((text) => text.trim() === text && !text.startsWith("[") && !/^rem$/i.test(text));
  const value = fc
    .array(fc.oneof(word, fc.constantFrom("=", ":", "#", " ", "a;b")), { maxLength: 6 })
    .map((parts) => parts.join("").trim())
    .filter((text) => text !== '""');
  const section = fc.tuple(word, fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 5 }));

  test("what is written comes back to the byte", () => {
    const document = fc.uniqueArray(section, { selector: ([name]) => name, maxLength: 5 });
    fc.assert(
      fc.property(
        document,
        fc.constantFrom("=", ":", " = ", ": "),
        fc.constantFrom("\n", "\r\n"),
        (sections, delimiter, end) => {
          const lines = sections.flatMap(([name, entries]) => [
            `[${name}]`,
            ...entries.map(([k, v]) => `${k}${delimiter}${v}`),
          ]);
          const parsed = parseFile("/a.ini", lines.join(end));
          expect(parsed.diagnostics).toEqual([]);
          expect(
            parsed.sections.map(({ name, entries }) => [name, entries.map((entry) => [entry.key, entry.value])]),
          ).toEqual(sections);
        },
      ),
    );
  });

  test("no text makes it throw, and each finding has a line of the file and is one line", () => {
    const text = fc
      .array(fc.oneof(fc.string(), fc.constantFrom("[a]\n", "\n", "=", " ", "[", "]", ";", "\0", "\r")))
      .map((t) => t.join(""));
    fc.assert(
      fc.property(text, (input) => {
        const lineCount = input.split(/\r\n|\n|\r/).length;
        const { diagnostics, sections } = parseFile("/a.ini", input);
        for (const { at, message } of diagnostics) {
          expect(at?.line).toBeGreaterThan(0);
          expect(at?.line).toBeLessThanOrEqual(lineCount);
          expect(message).not.toMatch(/[\n\r]/);
        }
        for (const { entries } of sections) for (const entry of entries) expect(typeof entry.value).toBe("string");
      }),
    );
  });
});
