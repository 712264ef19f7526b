import fc from "fast-check";
import { expect, test } from "vitest";
import { envLookup, expandDollar, socketNames, substitute } from "./variables.ts";

const lookup = envLookup(
  new Map([
    ["HOME", "/root"],
    ["home", "lower"],
    ["A.B-c_1", "odd"],
    ["LOOP", "$(circus.env.HOME)"],
  ]),
);

test.each<[string, string]>([
  ["$(circus.env.HOME)/x", "/root/x"],
  ["((circus.env.HOME))", "/root"],
  ["$(CIRCUS.ENV.Home)", "lower"],
  ["$(circus.env.home)", "lower"],
  ["$(circus.env.A.B-c_1)", "odd"],
  ["$(circus.env.NOPE) $(circus.wid) $(env.HOME)", "$(circus.env.NOPE) $(circus.wid) $(env.HOME)"],
  ["$(circus.env.LOOP)", "$(circus.env.HOME)"],
  ["$HOME (circus.env.HOME)", "$HOME (circus.env.HOME)"],
  ["$(circus.env.constructor)", "$(circus.env.constructor)"],
])("substitute(%j) is %j", (text, expected) => {
  expect(substitute(text, lookup)).toBe(expected);
});

test("`socketNames` finds both spellings in lower case", () => {
  expect(socketNames("x --fd $(circus.sockets.Web) ((circus.sockets.api)) $(circus.wid)")).toEqual(["web", "api"]);
});

test.each<[string, string]>([
  ["$HOME/x", "/root/x"],
  ["$HOME2|$NOPE|", "||"],
  ["$home ${HOME} $1 $ $_X", "$home ${HOME} $1 $ $_X"],
])("expandDollar(%j) is %j", (text, expected) => {
  expect(expandDollar(text, new Map([["HOME", "/root"]]))).toBe(expected);
});

test("inserted values are taken as they are", () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(substitute("<$(circus.env.X)>", envLookup(new Map([["X", value]])))).toBe(`<${value}>`);
      expect(expandDollar("<$X>", new Map([["X", value]]))).toBe(`<${value}>`);
    }),
  );
});
