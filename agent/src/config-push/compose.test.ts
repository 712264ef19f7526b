import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFile } from "../config/lines.ts";
import { compose, fleetLines } from "./compose.ts";

const PRESENT = `[circus]
check_delay = 5
# who we are
[fleet]
nats_url = nats://a:4222,
  nats://b:4222
; the name
host = web1

# of the application
[watcher:web]
cmd = old
`;

describe("fleetLines", () => {
  it("are the section with its comments and continuations, and not what belongs to the next one", () => {
    expect(fleetLines(PRESENT)).toEqual([
      "[fleet]",
      "nats_url = nats://a:4222,",
      "  nats://b:4222",
      "; the name",
      "host = web1",
    ]);
    expect(fleetLines("[watcher:web]\ncmd = x\n")).toEqual([]);
  });

  it("are those of every header of that name", () => {
    expect(fleetLines("[fleet]\na = 1\n[x]\nb = 2\r\n[fleet]\r\nc = 3")).toEqual([
      "[fleet]",
      "a = 1",
      "[fleet]",
      "c = 3",
    ]);
  });
});

describe("compose", () => {
  it("leaves the host who it is", () => {
    expect(compose("[watcher:web]\ncmd = new", PRESENT)).toBe(
      `[watcher:web]\ncmd = new\n\n${fleetLines(PRESENT).join("\n")}\n`,
    );
  });

  it("takes a file that has a [fleet] as it is", () => {
    const text = "[fleet]\nhost = web9\n";
    expect(compose(text, PRESENT)).toBe(text);
  });

  const line = fc.constantFrom(
    ...[
      "[fleet]",
      "[watcher:web]",
      "[circus]",
      "[fleet] ; note",
      "host = a",
      "cmd = b",
      "  more",
      "# c",
      "; d",
      "",
      "rem",
    ],
  );
  const file = fc
    .tuple(fc.array(line, { maxLength: 15 }), fc.constantFrom("\n", "\r\n", ""))
    .map(([lines, end]) => ["[circus]", ...lines].join("\n").concat(end));

  it("changes nothing of what the reader sees in the other sections, nor of the host's own", () => {
    fc.assert(
      fc.property(file, file, (pushed, present) => {
        const read = (text: string, isFleet: boolean): unknown =>
          parseFile("f", text)
            .sections.filter(({ name }) => (name === "fleet") === isFleet)
            .map(({ name, entries }) => [name, entries.map(({ key, value }) => [key, value])]);
        const made = compose(pushed, present);
        const hasOwn = fleetLines(pushed).length > 0;
        expect(read(made, false)).toEqual(read(pushed, false));
        expect(read(made, true)).toEqual(read(hasOwn ? pushed : present, true));
        expect(compose(pushed, made)).toBe(made); // pushed again, it is the same file
      }),
    );
  });
});
