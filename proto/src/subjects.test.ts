import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HostName, UserName } from "./names.ts";
import { permissionsOf, ROLES } from "./roles.ts";
import { inboxPrefix, isInboxOf, Subjects } from "./subjects.ts";

const s = new Subjects("main");
const web1 = "web1" as HostName;
const alice = "alice" as UserName;

/** NATS's own matching, the dumb way. */
function matches(pattern: string, subject: string): boolean {
  const p = pattern.split(".");
  const t = subject.split(".");
  for (const [i, token] of p.entries()) {
    if (token === ">") return t.length > i;
    if (i >= t.length || (token !== "*" && token !== t[i])) return false;
  }
  return p.length === t.length;
}

describe("Subjects", () => {
  it("reads back what it builds", () => {
    expect(s.parse(s.event(web1, "my worker.1", "process_exited"))).toEqual({
      kind: "evt",
      host: "web1",
      watcher: "my worker.1",
      event: "process_exited",
    });
    expect(s.parse(s.event(null, null, "host_lost"))).toEqual({
      kind: "evt",
      host: "_fleet",
      watcher: null,
      event: "host_lost",
    });
    expect(s.parse(s.command(web1, alice, "restart"))).toEqual({
      kind: "cmd",
      host: "web1",
      user: "alice",
      verb: "restart",
    });
    expect(s.parse(s.commandAll(alice, "status"))).toEqual({
      kind: "cmd",
      host: "_all",
      user: "alice",
      verb: "status",
    });
    expect(s.parse(s.heartbeat(web1))).toEqual({ kind: "hb", host: "web1" });
    expect(s.parse(s.control(alice, "rollout-start"))).toEqual({ kind: "ctl", user: "alice", verb: "rollout-start" });
  });

  it("keeps any watcher name inside one token", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), (name) => {
        const subject = s.event(web1, name, "process_exited");
        expect(subject.split(".")).toHaveLength(6);
        expect(subject).not.toMatch(/[\s*>]/);
        expect(s.parse(subject)).toMatchObject({ watcher: name });
      }),
    );
  });

  it.each(["a b", "a.b", "a\r\nPUB x 1", "*", ">", "", "_all"])("refuses %j as host, user and verb", (bad) => {
    expect(() => s.heartbeat(bad as HostName)).toThrow(RangeError);
    expect(() => s.command(web1, bad as UserName, "status")).toThrow(RangeError);
    expect(() => s.command(web1, alice, bad)).toThrow(RangeError);
    expect(() => new Subjects(bad)).toThrow(RangeError);
  });

  it.each([
    "circus.other.hb.web1",
    "circus.main.hb",
    "circus.main.evt.web1.x",
    "circus.main.cmd.a.b",
    "circus.main.nope.a",
    "x",
  ])("reads nothing from %s", (subject) => expect(s.parse(subject)).toBeNull());
});

describe("isInboxOf", () => {
  it("accepts the user's own inbox only", () => {
    expect(isInboxOf(alice, "_INBOX.alice.x1")).toBe(true);
    for (const reply of [
      "_INBOX.alicex.x1",
      "_INBOX.bob.x1",
      s.command(web1, alice, "restart"),
      "_INBOX.alice",
      undefined,
    ]) {
      expect(isInboxOf(alice, reply)).toBe(false);
    }
  });
});

describe("permissionsOf", () => {
  const may = (role: (typeof ROLES)[number], name: string, what: "publish" | "subscribe", subject: string) =>
    permissionsOf("main", { role, name })[what].some((pattern) => matches(pattern, subject));

  it("lets an agent speak as its own host only", () => {
    expect(may("agent", "web1", "publish", s.event(web1, "w", "process_exited"))).toBe(true);
    for (const subject of [
      s.event("web2" as HostName, "w", "process_exited"),
      s.event(null, null, "host_lost"),
      s.heartbeat("web2" as HostName),
      s.command("web2" as HostName, "web1" as UserName, "restart"),
      "$JS.API.STREAM.PURGE.EVENTS",
      `${inboxPrefix("alice")}.x`,
    ]) {
      expect(may("agent", "web1", "publish", subject)).toBe(false);
    }
    expect(may("agent", "web1", "subscribe", s.command("web2" as HostName, alice, "restart"))).toBe(false);
    expect(may("agent", "web1", "subscribe", `${inboxPrefix("web2")}.x`)).toBe(false);
  });

  it("lets a viewer ask and nobody else's name be used", () => {
    expect(may("viewer", "victor", "publish", s.query("victor" as UserName, "status"))).toBe(true);
    expect(may("viewer", "victor", "publish", s.query(alice, "status"))).toBe(false);
    expect(may("viewer", "victor", "publish", s.command(web1, "victor" as UserName, "restart"))).toBe(false);
    expect(may("viewer", "victor", "publish", s.control("victor" as UserName, "rollout-start"))).toBe(false);
    expect(may("operator", "alice", "publish", s.command(web1, "bob" as UserName, "restart"))).toBe(false);
    expect(may("operator", "alice", "publish", s.control(alice, "rollout-start"))).toBe(true);
  });

  it("gives nobody the right to purge or delete", () => {
    for (const role of ROLES) {
      for (const verb of ["PURGE", "DELETE", "MSG.DELETE"]) {
        expect(may(role, "x", "publish", `$JS.API.STREAM.${verb}.EVENTS`)).toBe(false);
      }
    }
  });
});
