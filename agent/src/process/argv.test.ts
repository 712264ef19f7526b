import { describe, expect, it } from "vitest";
import { buildArgv } from "./argv.ts";

const known: Record<string, string> = { wid: "3", "sockets.web": "7", "env.home": "/root" };
const lookup = (path: string) => known[path.toLowerCase()];
const line = { cmd: "", args: "", shell: false, shellArgs: null, wid: 3, lookup };

describe("buildArgv", () => {
  it("splits cmd, then args, after substitution", () => {
    expect(
      buildArgv({ ...line, cmd: "chaussette --fd $(circus.sockets.web)", args: "app '$(circus.wid) x' $WID" }),
    ).toEqual({
      ok: true,
      words: ["chaussette", "--fd", "7", "app", "3 x", "3"],
    });
  });

  it("keeps the items of a list whole", () => {
    expect(buildArgv({ ...line, cmd: "a", args: ["b c", "$(circus.wid)"] })).toEqual({
      ok: true,
      words: ["a", "b c", "3"],
    });
  });

  it("replaces $WID and nothing that only looks like it", () => {
    expect(buildArgv({ ...line, cmd: "a $WID x$WID.log $WIDTH ${WID} $wid" })).toEqual({
      ok: true,
      words: ["a", "3", "x3.log", "$WIDTH", "${WID}", "$wid"],
    });
  });

  it.each([
    [{ cmd: "a 'b" }, "cmd: No closing quotation"],
    [{ cmd: "a", args: '"b' }, "args: No closing quotation"],
    [{ cmd: "a", shell: true, shellArgs: "'b" }, "shell_args: No closing quotation"],
    [{ cmd: " ", shell: true }, "cmd is empty"],
  ])("says which part cannot be read: %j", (part, reason) => {
    expect(buildArgv({ ...line, ...part })).toEqual({ ok: false, reason });
  });

  it("gives a shell the items of a list as the words they are", () => {
    expect(buildArgv({ ...line, cmd: "echo", args: ["a b", "it's", "$(circus.wid)"], shell: true })).toEqual({
      ok: true,
      words: ["/bin/sh", "-c", `echo 'a b' 'it'"'"'s' 3`],
    });
  });

  it("makes a real shell line, so that && works (D7)", () => {
    expect(buildArgv({ ...line, cmd: "echo a && sleep 1", args: "| cat", shell: true, shellArgs: "x y" })).toEqual({
      ok: true,
      words: ["/bin/sh", "-c", "echo a && sleep 1 | cat", "x", "y"],
    });
  });

  it.each(["", "   ", "''"])("refuses a command line without a program: %j", (cmd) => {
    expect(buildArgv({ ...line, cmd })).toEqual({ ok: false, reason: "cmd is empty" });
  });
});
