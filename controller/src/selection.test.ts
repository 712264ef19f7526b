import { describe, expect, it } from "vitest";
import { hostsAre, listed, noHost, noWatcher } from "./selection.ts";

describe("words for hosts and watchers", () => {
  it("name them all, up to ten", () => {
    const twelve = Array.from({ length: 12 }, (_, i) => `w${i}`);
    expect(listed(twelve)).toBe("w0, w1, w2, w3, w4, w5, w6, w7, w8, w9 and 2 more");
    expect(noHost("main", ["web8", "web9"], ["web1"])).toBe("no host 'web8', 'web9' in fleet 'main'; known: web1");
    expect(noWatcher("x", null)).toBe("no watcher 'x' on any host");
    expect(noWatcher("x", ["a", "b"])).toBe("no watcher 'x' on hosts 'a', 'b'");
    expect(hostsAre(["a"], "lost")).toBe("host a is lost");
    expect(hostsAre(["a", "b"], "lost")).toBe("hosts a, b are lost");
  });
});
