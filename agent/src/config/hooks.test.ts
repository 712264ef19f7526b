/** What may stand behind `hooks.NAME`, in a file and on the wire (reference §2.10, §5.6). */
import { describe, expect, it } from "vitest";
import { changeHooks, NO_HOOKS, parseHook } from "./hooks.ts";

describe("a hook as it is written", () => {
  it.each([
    ["pkg.mod.fn", { kind: "python", reference: "pkg.mod.fn" }, false],
    ["pkg.mod:Class.method, true", { kind: "python", reference: "pkg.mod:Class.method" }, true],
    ["mod.fn,False", { kind: "python", reference: "mod.fn" }, false],
    ["js: ./hooks.mjs#drain, yes", { kind: "module", module: "./hooks.mjs", name: "drain" }, true],
    ["js:@acme/hooks", { kind: "module", module: "@acme/hooks", name: "default" }, false],
    ["file:///srv/h.mjs#up", { kind: "module", module: "file:///srv/h.mjs", name: "up" }, false],
    ["file:h.mjs#up", { kind: "module", module: "file:h.mjs", name: "up" }, false],
    [
      "exec: curl -f http://lb/out?a=1,b | grep ok",
      { kind: "command", line: "curl -f http://lb/out?a=1,b | grep ok" },
      false,
    ],
    ["exec: drain, true", { kind: "command", line: "drain" }, true],
  ])("%s", (text, target, ignore) => {
    expect(parseHook("before_start", text)).toMatchObject({ ok: true, hook: { target, ignore } });
  });

  it.each(["", "noDots", "a b.c", "./x.mjs", "exec:", "js:", "js: #x", "file:#x", "a..b", "1a.b"])(
    "%j is none",
    (text) => {
      expect(parseHook("before_start", text)).toMatchObject({ ok: false });
    },
  );

  it("always ignores failures of what cannot stop anything", () => {
    expect(parseHook("before_stop", "a.b, false")).toMatchObject({ hook: { ignore: true } });
    expect(parseHook("before_spawn", "a.b")).toMatchObject({ hook: { ignore: false } });
  });
});

describe("hooks over the wire", () => {
  it("takes one, several with their flag, and takes one away", () => {
    const one = changeHooks(NO_HOOKS, "hooks.before_start", "a.b,true");
    expect(one).toMatchObject({ ok: true, hooks: { byName: { before_start: { ignore: true } } } });
    const several = changeHooks(NO_HOOKS, "hooks", { after_stop: ["a.b", false], before_spawn: "exec: true" });
    expect(several.ok && Object.keys(several.hooks.byName)).toEqual(["after_stop", "before_spawn"]);
    if (!several.ok) return;
    expect(changeHooks(several.hooks, "hooks.after_stop", "")).toEqual({
      ok: true,
      hooks: { ...NO_HOOKS, byName: { before_spawn: several.hooks.byName.before_spawn } },
    });
  });

  it.each([
    ["hooks", 5, "'hooks' isn't a valid object"],
    ["hooks", { nosuch: "a.b" }, 'Unknown hook {"nosuch":"a.b"}'],
    ["hooks", { before_start: 5 }, "'hooks' isn't a valid object"],
    ["hooks.nosuch", "a.b", "Unknown hook 'nosuch'"],
    ["hooks.before_start", "exec:", "hooks.before_start: 'exec:' needs a shell line"],
  ])("refuses %s = %j", (key, value, reason) => {
    expect(changeHooks(NO_HOOKS, key, value)).toEqual({ ok: false, reason });
  });
});
