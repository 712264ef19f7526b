import { type FleetEvent, type HostName, Subjects } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { decode, rememberingParser, unknownFields } from "./decode.ts";
import { LAST_SEQ } from "./intervals.ts";
import { project } from "./project.ts";

const host = "web1" as HostName;
const subjects = new Subjects("main");

function event(kind: string, watcher: string | null, over: Partial<FleetEvent> = {}): FleetEvent {
  return { v: 1, epoch: 5, seq: 3, time: 1000, kind, watcher, data: {}, ...over };
}

const of = (
  value: FleetEvent,
  from: HostName | "_fleet" = host,
  earlier: { epoch: number; heard: number } | null = null,
) => project({ host: from, event: value, streamSeq: 9, stored: 2000 }, () => earlier);

describe("project", () => {
  it("makes a transition of an event that says the state", () => {
    expect(of(event("watcher_stopped", "web", { actor: "alice", cause: "c1" }))).toEqual([
      {
        kind: "watcher",
        watcher: "web",
        reason: null,
        entry: {
          position: { epoch: 5, seq: 3, fleetEpoch: 0, fleetSeq: 0 },
          op: "stopped",
          time: 1000,
          actor: "alice",
          cause: "c1",
        },
      },
    ]);
    expect(of(event("watcher_failed", "web", { data: { reason: "no such file" } }))).toMatchObject([
      { reason: "no such file", entry: { op: "failed" } },
    ]);
  });

  it("believes no time after the one at which the stream took the event", () => {
    expect(of(event("watcher_started", "web", { time: 99_000 }))).toMatchObject([{ entry: { time: 2000 } }]);
  });

  it("ends an earlier life that said nothing at its last sign", () => {
    expect(of(event("agent_started", null), host, { epoch: 4, heard: 700 })).toMatchObject([
      { kind: "host", entry: { op: "lost", time: 700, position: { epoch: 4, seq: LAST_SEQ } } },
      { kind: "host", entry: { op: "fresh", time: 1000 } },
    ]);
    expect(of(event("agent_started", null))).toMatchObject([{ entry: { op: "fresh" } }]);
  });

  it("stops no watcher whose workers the agent leaves to the next one", () => {
    expect(of(event("agent_stopped", null))).toMatchObject([{ entry: { op: "gone" } }]);
    expect(of(event("agent_stopped", null, { data: { workers_left: 2 } }))).toMatchObject([{ entry: { op: "lost" } }]);
  });

  it("puts what the controller says of a host behind the last event heard of it", () => {
    const lost = event("host_lost", null, { data: { host: "web1", epoch: 5, seq: 7, last_heard: 400 } });
    expect(of(lost, "_fleet")).toEqual([
      { kind: "presence", host: "web1", presence: "lost", epoch: 5, since: 1000 },
      {
        kind: "host",
        host: "web1",
        entry: {
          position: { epoch: 5, seq: 7, fleetEpoch: 5, fleetSeq: 3 },
          op: "lost",
          time: 400,
          actor: null,
          cause: null,
        },
      },
    ]);
    expect(of(event("host_online", null, { data: { host: "web1", epoch: 5, seq: 7 } }), "_fleet")).toMatchObject([
      { presence: "online" },
      { entry: { op: "back" } },
    ]);
    expect(of(event("host_left", null, { data: { host: "web1", epoch: 5, seq: 7 } }), "_fleet")).toHaveLength(1);
  });

  it("changes nothing for kinds it does not know, for presence said by a host, or of no host", () => {
    expect(of(event("something_new", "web"))).toEqual([]);
    expect(of(event("host_lost", null, { data: { host: "web2" } }))).toEqual([]);
    expect(of(event("host_lost", null, { data: { host: "no host" } }), "_fleet")).toEqual([]);
  });
});

describe("decode", () => {
  const parseSubject = rememberingParser(subjects);
  const message = (value: unknown, subject = "circus.main.evt.web1.web.watcher_stopped") => ({
    seq: 9,
    subject,
    data: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
    time: 2000,
  });

  it("takes host from the subject", () => {
    const value = event("watcher_stopped", "web");
    expect(decode(parseSubject, message(value))).toEqual({ host: "web1", event: value, streamSeq: 9, stored: 2000 });
  });

  it("keeps fields of a newer agent", () => {
    const decoded = decode(parseSubject, message({ ...event("watcher_stopped", "web"), tint: "blue" }));
    expect(typeof decoded === "object" && unknownFields(decoded.event)).toEqual({ tint: "blue" });
  });

  it("says the same of a subject at each time", () => {
    for (const subject of ["circus.main.evt.web1.web.watcher_stopped", "circus.main.evt.we b1.web.x", "nonsense"]) {
      const first = parseSubject(subject);
      expect(first).toEqual(subjects.parse(subject));
      expect(parseSubject(subject)).toBe(first);
    }
    for (let at = 0; at < 120_000; at++) parseSubject(`circus.main.evt.web1.w${at}.k`);
    expect(parseSubject("circus.main.evt.web1.w7.k")).toMatchObject({ host: "web1", watcher: "w7", event: "k" });
    const long = `circus.main.evt.web1.${"w".repeat(300)}.k`;
    expect(parseSubject(long)).toEqual(subjects.parse(long));
  });

  it("names what is wrong", () => {
    const value = event("watcher_stopped", "web");
    expect(decode(parseSubject, message(value, "circus.main.evt.we b1.web.watcher_stopped"))).toBe("subject");
    expect(decode(parseSubject, message(value, "circus.main.hb.web1"))).toBe("subject");
    expect(decode(parseSubject, message("{"))).toBe("not json");
    expect(decode(parseSubject, { ...message(""), data: new Uint8Array([0x22, 0xff, 0x22]) })).toBe("not json");
    expect(decode(parseSubject, message({ ...value, seq: 0 }))).toBe("schema");
    expect(decode(parseSubject, message({ ...value, epoch: 1e300 }))).toBe("schema");
    expect(decode(parseSubject, message({ ...value, pid: 2 ** 60 }))).toBe("schema");
    expect(decode(parseSubject, message({ ...value, watcher: "db" }))).toBe("disagrees with its subject");
    expect(decode(parseSubject, message({ ...value, kind: "watcher_started" }))).toBe("disagrees with its subject");
  });
});
