import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AGENT_TOKEN, escapeToken, NAME_BYTES_MAX, parseHostName, RESERVED_HOSTS, unescapeToken } from "./names.ts";

describe("escapeToken", () => {
  it("is reversible and stays in the token alphabet for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), (text) => {
        const token = escapeToken(text);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(unescapeToken(token)).toBe(text);
      }),
    );
  });

  it("gives two names two tokens", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 8 }), fc.string({ minLength: 1, maxLength: 8 }), (a, b) => {
        expect(escapeToken(a) === escapeToken(b)).toBe(a === b);
      }),
    );
  });

  it("keeps a line break out of a subject", () => {
    expect(escapeToken("a 2\r\nPUB b")).toBe("a_202_0D_0APUB_20b");
  });

  it("refuses empty and over-long names", () => {
    expect(() => escapeToken("")).toThrow(RangeError);
    expect(() => escapeToken("x".repeat(NAME_BYTES_MAX + 1))).toThrow(RangeError);
  });

  it("never makes a reserved token", () => {
    for (const word of [AGENT_TOKEN, ...RESERVED_HOSTS]) {
      expect(unescapeToken(word)).toBeNull();
      expect(escapeToken(word)).not.toBe(word);
    }
  });

  it("has one spelling for a name", () => {
    expect(unescapeToken("_61")).toBeNull(); // "a" is never escaped
    expect(unescapeToken("_FF")).toBeNull(); // no UTF-8
  });
});

describe("parseHostName", () => {
  it.each(["web1", "a", "A-b_c", "0"])("accepts %s", (name) => expect(parseHostName(name)).toBe(name));
  it.each(["", "_all", "_fleet", "web1.example", "a b", "a\r\nb", "-x", "x".repeat(65), 7, null])(
    "refuses %s",
    (name) => expect(parseHostName(name)).toBeNull(),
  );
});
