import type { ConfigCheck, ConfigEntry, ConfigLook } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { Diffs, diffLines, historyLines, historyOf, problemLines, showText } from "./config-lines.ts";

const [A, B] = ["a", "b"].map((letter) => letter.repeat(64)) as [string, string];
const look: ConfigLook = {
  path: "/etc/circus.ini",
  file: A,
  version: null,
  previous: null,
  edited: false,
  entries: [],
};
const NOTHING = { added: [], removed: [], renewed: [], changed: [], sockets: [], deferred: [] };

function check(host: string, text: string, more: Partial<ConfigCheck> = {}) {
  const own = { text, next: "a\nb\n", problems: [], warnings: [], effects: NOTHING };
  return { host, check: { ...look, ...own, ...more } };
}

describe("diffLines", () => {
  it("shows hosts with the same difference together, and what it would do", () => {
    const effects = { ...NOTHING, added: ["more"], renewed: ["web"], deferred: ["pidfile"] };
    const checks = [
      check("web1", "a\nb\u001b[2J\n", { effects }),
      check("web2", "a\nb\n"),
      check("web3", "a\nb\u001b[2J\n", { effects }),
      check("web4", "a\n", { path: "/srv/circus.ini" }),
    ];
    expect(diffLines(checks, new Diffs(), "web.ini", false)).toEqual([
      "web1, web3: 1 line added, 1 removed; new: more; new processes: web; only after a restart of circusd: pidfile",
      ...["--- /etc/circus.ini", "+++ web.ini", "@@ -1,2 +1,2 @@", " a", "-b?[2J", "+b"],
      "web2: no difference",
      "web4: 1 line added, 0 removed",
      ...["--- /srv/circus.ini", "+++ web.ini", "@@ -1,1 +1,2 @@", " a", "+b"],
    ]);
  });
});

describe("problemLines", () => {
  it("says once what is wrong on many hosts", () => {
    const wrong = [
      { host: "web1", texts: ["circus.ini:3: x", "circus.ini:4: y"] },
      { host: "web2", texts: ["circus.ini:3: x"] },
    ];
    expect(problemLines(wrong)).toEqual(["web1, web2: circus.ini:3: x", "web1: circus.ini:4: y"]);
  });
});

describe("showText", () => {
  it("is the file itself where there is one, else each with whose it is", () => {
    const one = { host: "web1", look: { ...look, text: "a\tb" } };
    const two = { host: "web2", look: { ...look, file: B, version: A, edited: true, text: "c\u001b\n" } };
    expect(showText([one, { ...one, host: "web3" }], false)).toBe("a\tb");
    expect(showText([one, two, { ...one, host: "web3" }], true)).toBe(
      `# web1, web3: /etc/circus.ini (aaaaaaaaaaaa)\na\tb\n# web2: /etc/circus.ini (version aaaaaaaaaaaa, edited by hand)\nc?\n`,
    );
  });
});

describe("historyOf", () => {
  const entry = (host: string, time: number, more: Partial<ConfigEntry> = {}): ConfigEntry => ({
    ...{ time, actor: "ctl1", cause: `r1/${host}/1`, version: A, file: B, base: A },
    ...more,
  });

  it("puts the hosts of a rollout together, with who began it; newest first", () => {
    const looks = ["web1", "web2"].map((host, at) => ({
      host,
      look: {
        ...look,
        entries: [entry(host, 1000 + at), entry(host, 9000 + at, { cause: `r2/${host}/1`, version: null })],
      },
    }));
    const items = historyOf(looks, [{ id: "r1", actor: "alice" }]);
    expect(items).toEqual([
      { time: 9000, version: null, file: B, actor: "ctl1", rollout: "r2", hosts: ["web1", "web2"] },
      { time: 1000, version: A, file: B, actor: "alice", rollout: "r1", hosts: ["web1", "web2"] },
    ]);
    const lines = historyLines(items, 9000, false);
    expect(lines[1]).toMatch(/ \(now\) +~bbbbbbbbbbb +ctl1 +r2 +web1, web2$/);
    expect(lines[2]).toMatch(/ \(8s ago\) +aaaaaaaaaaaa +alice +r1 +web1, web2$/);
  });
});
