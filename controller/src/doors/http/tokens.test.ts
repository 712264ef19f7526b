import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeLogger, type UserName } from "@circus-cluster/proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addToken, type Holder, hashOf, readTokens, revokeToken, TokenFile } from "./tokens.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-tokens-"));
  path = join(dir, "tokens");
});
afterEach(() => rmSync(dir, { recursive: true }));

const eve = { name: "eve" as UserName, role: "viewer" } as const;
const admin = { name: "admin" as UserName, role: "operator" } as const;

function write(text: string, mode = 0o600): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

describe("the file of tokens", () => {
  it("holds hashes, readable by its owner only, one line a token", () => {
    const first = addToken(path, eve);
    const second = addToken(path, admin);
    expect(first).toMatch(/^circus_[\w-]{43}$/);
    expect(second).not.toBe(first);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(first);
    expect(text.split("\n").slice(1)).toEqual([`eve viewer ${hashOf(first)}`, `admin operator ${hashOf(second)}`, ""]);
    expect(readTokens(path)).toEqual(
      new Map<string, Holder>([
        [hashOf(first), eve],
        [hashOf(second), admin],
      ]),
    );
  });

  it("has one token per name", () => {
    addToken(path, eve);
    const before = readFileSync(path, "utf8");
    expect(() => addToken(path, { ...eve, role: "operator" })).toThrow(/'eve' has a token already/);
    expect(readFileSync(path, "utf8")).toBe(before);
  });

  it("loses the line of a token that is revoked, and nothing else", () => {
    addToken(path, eve);
    const kept = addToken(path, admin);
    writeFileSync(path, `${readFileSync(path, "utf8")}# eve is not to come back\n`);
    revokeToken(path, eve.name);
    expect(readTokens(path)).toEqual(new Map<string, Holder>([[hashOf(kept), admin]]));
    expect(readFileSync(path, "utf8")).toMatch(/\nadmin operator [0-9a-f]{64}\n# eve is not to come back\n$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(() => revokeToken(path, eve.name)).toThrow(`'eve' has no token in ${path}`);
  });

  it.each([
    ["eve", "1: the role is one of viewer, operator"],
    ["# note\n\neve root 00", "3: the role is one of viewer, operator"],
    ["e.v viewer 00", "1: the name has letters, digits, '_' and '-' only, 64 at most"],
    ["eve viewer 00", "1: after the role comes the SHA-256 of the token in hex, and nothing else"],
    [`eve viewer ${"0".repeat(64)} x`, "1: after the role comes the SHA-256 of the token in hex, and nothing else"],
    [`eve viewer ${"0".repeat(64)}\neve viewer ${"1".repeat(64)}`, "2: 'eve' has a token already"],
  ])("refuses %j", (text, problem) => {
    write(text);
    expect(() => readTokens(path)).toThrow(`${path}:${problem}`);
  });

  it("refuses a file that others may read", () => {
    write("", 0o640);
    expect(() => readTokens(path)).toThrow(`${path} is open to others (mode 640); chmod 600 it`);
    expect(() => addToken(path, eve)).toThrow(/open to others/);
  });
});

describe("TokenFile", () => {
  it("follows the file, and lets nobody in while it is missing or wrong", () => {
    let now = 0;
    const said: string[] = [];
    const file = new TokenFile(
      path,
      makeLogger((level, text) => said.push(`${level}: ${text}`)),
      () => now,
    );
    const after = (token: string): unknown => {
      now += 1001;
      return file.holderOf(token);
    };
    expect(file.holderOf("circus_x")).toBeNull();
    const token = addToken(path, eve);
    expect(after(token)).toEqual(eve);
    expect(file.holderOf(`${token}x`)).toBeNull();
    expect(file.holderOf("")).toBeNull();
    chmodSync(path, 0o644);
    expect(after(token)).toBeNull();
    chmodSync(path, 0o600);
    expect(after(token)).toEqual(eve);
    write("# all revoked\n");
    expect(after(token)).toBeNull();
    rmSync(path);
    expect(after(token)).toBeNull();
    expect(said).toEqual([
      "warning: no token is valid: there is no such file",
      "info: tokens read",
      "error: no token is valid until the file is mended",
      "info: tokens read",
      "info: tokens read",
      "warning: no token is valid: there is no such file",
    ]);
  });
});
