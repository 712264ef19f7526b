import { describe, expect, it } from "vitest";
import { CircusError } from "../errors.ts";
import { checkOptions, optionFromText, SETTABLE } from "./options.ts";
import { checkProperties } from "./spec.ts";
import { COMMANDS, findCommand } from "./table.ts";

const spec = (name: string) => findCommand(name)!;

describe("COMMANDS", () => {
  it("finds a command in any case", () => {
    expect(findCommand("STATUS")?.name).toBe("status");
    expect(findCommand("nope")).toBeUndefined();
  });

  it("never lets a write be broadcast, and has no CLI word without a property", () => {
    for (const command of COMMANDS.values()) {
      if (command.access === "write") expect(command.isBroadcast).toBe(false);
      for (const part of [...(command.cli?.args ?? []), ...(command.cli?.flags ?? [])]) {
        expect(Object.keys(command.properties)).toContain(part.property);
      }
    }
  });
});

describe("checkProperties", () => {
  it("coerces what real clients send as strings", () => {
    expect(checkProperties(spec("kill"), { name: "w", pid: "12", signum: "KILL", graceful_timeout: "3" })).toEqual({
      name: "w",
      pid: 12,
      signum: "KILL",
      graceful_timeout: 3,
      waiting: false,
    });
    expect(checkProperties(spec("incr"), { name: "w" })).toMatchObject({ nb: 1 });
  });

  it("drops unknown properties and reads no inherited one", () => {
    expect(checkProperties(spec("status"), { name: "w", zzz: 1 })).toEqual({ name: "w" });
    expect(checkProperties(spec("status"), Object.create({ name: "w" }) as Record<string, unknown>)).toEqual({});
  });

  it.each([
    ["options", {}, "message invalid 'name' is missing"],
    ["incr", { name: "w", nb: "x" }, "'nb' isn't an integer"],
    ["set", { name: "w", options: [] }, "'options' property should be an object"],
  ])("refuses %s %j", (name, properties, text) => {
    expect(() => checkProperties(spec(name), properties)).toThrow(new CircusError("message", text));
  });
});

describe("options of set", () => {
  it.each([
    ["max_age", "x", "'max_age' isn't an integer"],
    ["graceful_timeout", "1", "'graceful_timeout' isn't a number"],
    ["uid", 1.5, "'uid' isn't an integer or string"],
    ["shell", 1, "'shell' isn't a valid boolean"],
    ["env", [], "'env' isn't a valid object"],
    ["env", { A: 1 }, "'A' isn't a string"],
    ["nope", 1, "unknown key 'nope'"],
    ["__proto__x", 1, "unknown key '__proto__x'"],
  ])("refuses %s = %j", (key, value, text) => {
    expect(() => checkOptions({ [key]: value })).toThrow(text);
  });

  it("converts words of a command line", () => {
    expect(optionFromText("numprocesses", "3")).toBe(3);
    expect(optionFromText("graceful_timeout", "0.5")).toBe(0.5);
    expect(optionFromText("shell", "True")).toBe(true);
    expect(optionFromText("uid", "www-data")).toBe("www-data");
    expect(optionFromText("cmd", "sleep 5")).toBe("sleep 5");
    expect(() => optionFromText("numprocesses", "x")).toThrow("'numprocesses' isn't an integer");
    expect(() => optionFromText("env", "A=1")).toThrow("unknown key 'env'");
    expect(Object.keys(SETTABLE)).toContain("cmd");
  });
});
