/**
 * Laws of the dialect (reference §1.1, §1.2): any configuration, written down in any of the ways that the rules
 * permit, is read back as what it was.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseFile } from "./lines.ts";
import { mergeFiles } from "./sections.ts";

interface WrittenKey {
  readonly key: string;
  readonly before: string;
  readonly after: string;
  readonly delimiter: "=" | ":";
  /** The first line and its continuations. */
  readonly lines: readonly string[];
  readonly indent: string;
  /** Stands behind the first line. */
  readonly comment: string | null;
  /** Lines that mean nothing, above. */
  readonly noise: readonly string[];
}

interface WrittenSection {
  readonly name: string;
  readonly keys: readonly WrittenKey[];
}

const text = (alphabet: string, minLength: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...Array.from(alphabet)), minLength, maxLength: 12 })
    .map((value) => value.trim())
    .filter((value) => value.length >= minLength && value !== '""');

const keyName = text("abXY_.-1é ", 1).filter((key) => !/^rem(?:\s|$)/i.test(key));
const blanks = fc.constantFrom("", " ", "\t", "  ");
const noise = fc.constantFrom("", "   ", "# a = 1", "; b = 2", "rem c = 3", "REM");
const written: fc.Arbitrary<WrittenKey> = fc.record({
  key: keyName,
  before: blanks,
  after: blanks,
  delimiter: fc.constantFrom("=", ":"),
  lines: fc
    .tuple(text(`ab =:#%"'[]$()\\/é`, 0), fc.array(text(`ab =:#;%"'[]$()é`, 1), { maxLength: 2 }))
    .map(([first, more]) => [first, ...more]),
  indent: fc.constantFrom(" ", "\t", "    "),
  comment: fc.option(text("ab;=", 1)),
  noise: fc.array(noise, { maxLength: 2 }),
});
const section: fc.Arbitrary<WrittenSection> = fc.record({
  name: fc.constantFrom("circus", "watcher:a", "watcher:A", "env", "env:a*,b", "DEFAULT", "odd [name"),
  keys: fc.array(written, { maxLength: 4 }),
});
const file = fc.array(section, { maxLength: 6 });

function render(sections: readonly WrittenSection[], newline: string): string {
  const lines = sections.flatMap(({ name, keys }) => [
    `[${name}]`,
    ...keys.flatMap(
      ({ key, before, after, delimiter, lines: [first = "", ...more], indent, comment, noise: above }) => [
        ...above,
        `${key}${before}${delimiter}${after}${first}${comment === null || first === "" ? "" : ` ; ${comment}`}`,
        ...more.map((line) => indent + line),
      ],
    ),
  ]);
  return lines.join(newline);
}

type Sections = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What the files mean by the rules: the first definition of a key holds, over all of them. */
function meaning(files: readonly (readonly WrittenSection[])[]): Sections {
  const sections = new Map<string, Map<string, string>>();
  for (const { name, keys } of files.flat()) {
    const known = sections.get(name) ?? new Map<string, string>();
    sections.set(name, known);
    for (const { key, lines } of keys) if (!known.has(key)) known.set(key, lines.join("\n"));
  }
  const defaults = sections.get("DEFAULT") ?? new Map<string, string>();
  sections.delete("DEFAULT");
  for (const [name, keys] of sections) {
    const isEnvironment = name === "env" || name.startsWith("env:");
    for (const [key, value] of isEnvironment ? [] : defaults) if (!keys.has(key)) keys.set(key, value);
  }
  return plain(sections);
}

function read(texts: readonly string[]): Sections {
  const files = texts.map((content, i) => parseFile(`/${i}.ini`, content));
  const { sections } = mergeFiles(files, []);
  return plain(
    new Map(sections.map(({ name, entries }) => [name, new Map([...entries].map(([k, e]) => [k, e.value]))])),
  );
}

function plain(sections: ReadonlyMap<string, ReadonlyMap<string, string>>): Sections {
  const kept = [...sections].filter(([, keys]) => keys.size > 0);
  return Object.fromEntries(kept.map(([name, keys]) => [name, Object.fromEntries(keys)]));
}

test("what is written by the rules is read as what it was, over several files", () => {
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 3 }), fc.constantFrom("\n", "\r\n"), (files, newline) => {
      expect(read(files.map((one) => render(one, newline)))).toEqual(meaning(files));
    }),
    { numRuns: 500 },
  );
});

test("every key knows its line", () => {
  fc.assert(
    fc.property(file, (sections) => {
      const content = render(sections, "\n");
      const lines = content.split("\n");
      for (const { entries } of parseFile("/x.ini", content).sections) {
        for (const { at } of entries) expect(lines[at.line - 1]).toMatch(/[=:]/);
        for (const { key, at } of entries) expect(lines[at.line - 1]!.startsWith(key)).toBe(true);
      }
    }),
  );
});

/** One rule a line: what is written after `[watcher:x]`, and what its keys are then. */
test.each<[rule: string, written: string, keys: Readonly<Record<string, string>>]>([
  [
    "both delimiters, blanks around them, only the first splits",
    "a=1\nb : 2\nc = x:y=z",
    { a: "1", b: "2", c: "x:y=z" },
  ],
  ["keys keep their case", "Cmd = 1\ncmd = 2", { Cmd: "1", cmd: "2" }],
  ["the first definition wins", "a = 1\na = 2", { a: "1" }],
  ["a continuation of a rejected one goes with it", "a = 1\na = 2\n  more", { a: "1" }],
  ["comments in column 0", "# a = 1\n; b = 2\nrem c = 3\nREM\trem d = 4\nrem=5", { rem: "5" }],
  ["`#` is no inline comment", "a = 1 # x", { a: "1 # x" }],
  ["`;` after white space is one", "a = 1 ; x", { a: "1" }],
  ["a value that begins with `;` is kept", "a = ; x", { a: "; x" }],
  ["only the first `;` counts", "a = echo a;b ; c\nb = sh x ; y ; z", { a: "echo a;b ; c", b: "sh x" }],
  [
    "continuations: trimmed, over blank lines, never comments",
    "a = 1\n\n  2 ; x\n\t# 3\n b = 4",
    { a: "1\n2 ; x\n# 3\nb = 4" },
  ],
  ["an indented first option has a blank in its name", "  a = 1", { "  a": "1" }],
  ["nothing and two quotes are nothing", 'a =\nb = ""\nc = "d"', { a: "", b: "", c: '"d"' }],
  ["no interpolation", "a = %(here)s %% %d", { a: "%(here)s %% %d" }],
  ["a header ends at its last bracket", "a = 1\n[x]y] z\nb = 2\n[watcher:x]\nc = 3", { a: "1", c: "3" }],
  ["a repeated section goes on", "a = 1\n[circus]\nb = 2\n[watcher:x]\nc = 3", { a: "1", c: "3" }],
  [
    "what `ini` would make of it",
    "a = true\nb[] = 1\n__proto__ = 2\nc.d = null",
    { a: "true", "b[]": "1", ["__proto__"]: "2", "c.d": "null" },
  ],
])("%s", (_, content, keys) => {
  const found = parseFile("/x.ini", `[watcher:x]\n${content}`).sections.find(({ name }) => name === "watcher:x");
  expect(new Map(found?.entries.map(({ key, value }) => [key, value]))).toEqual(new Map(Object.entries(keys)));
});
