import { expect, it } from "vitest";
import { ownSocketNames } from "./own-sockets.ts";

const ALL = ["a", "b", "c"];

it.each([
  [{ cmd: "x --fd $(circus.sockets.B)" }, ["b"]],
  [{ cmd: "x", args: ["((circus.sockets.c))", "$(circus.sockets.a)"] }, ["a", "c"]],
  [{ cmd: "x" }, ALL],
  [{ cmd: "x", useSockets: false }, []],
  [{ cmd: "x $(circus.sockets.b)", useSockets: false, stdinSocket: "a" }, ["a"]],
  [{ cmd: "x $(circus.sockets.nope)" }, []],
])("%j", (part, expected) => {
  expect(ownSocketNames({ args: "", useSockets: true, stdinSocket: null, ...part }, ALL)).toEqual(expected);
});
