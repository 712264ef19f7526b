/** Each law is shown a run that keeps it and one that breaks it: a check that cannot fail proves nothing. */
import { describe, expect, it } from "vitest";
import { LAWS, violations } from "./checks.ts";
import type { Database, EventRow, RunRecord } from "./records.ts";

const event = (host: string, seq: number, more: Partial<EventRow> = {}): EventRow => ({
  ...{ host, epoch: 7, seq, kind: "process_spawned", watcher: "web", pid: 1, actor: null, cause: null, body: "{}" },
  ...more,
});

const accepted = { kind: "command_accepted", cause: "r1/web1/1" };
const database = (controller: string, more: Partial<Database> = {}): Database => ({
  controller,
  events: [event("web1", 1), event("web1", 2, accepted), event("web2", 1)],
  gaps: [],
  derived: ["cur web1 web active"],
  rollouts: [{ id: "r1", state: "done", attempt: 1, hosts: ["web1"] }],
  ...more,
});

const WHOLE: RunRecord = {
  requests: 1000,
  failures: [],
  kills: [],
  glances: [],
  writers: [
    { host: "web1", life: "10.100", said: 3, logged: [1, 2, 3] },
    { host: "web1", life: "11.100", said: 3, logged: [1, 2, 3, 4] },
  ],
  databases: [database("ctl1"), database("ctl2")],
  reached: [{ host: "web1", epoch: 7, seq: 2 }],
  counts: [{ host: "web1", watcher: "web", wanted: 2, living: [4, 3], known: [3, 4] }],
  leftovers: {
    orphans: [],
    held: [{ who: "circusd of web1", before: { socket: 5 }, after: { socket: 5 }, zombies: 0 }],
    fifos: [],
  },
  calls: [{ line: "--all status", code: 5, stdout: "", stderr: "error: the fleet cannot be reached\n" }],
  mishaps: [],
};

const broken = (more: Partial<RunRecord>) => violations({ ...WHOLE, ...more });
const failure = { host: "web1", startedMs: 5000, endedMs: 6000, reason: "read ECONNRESET" };

it("a run in which all went well breaks no law", () => {
  expect(violations(WHOLE)).toEqual([]);
});

describe("requests", () => {
  const law = "no request fails where a healthy worker is";
  const what = expect.stringContaining("web1") as string;
  const kill = { host: "web1", watcher: "web", pid: 3, fromMs: 5500, toMs: 5501, isAgentAlive: true };
  const glance = { host: "web1", atMs: 5500, web: 0, isAgentAlive: false };

  it("one that failed, or none at all", () => {
    expect(broken({ failures: [failure] })).toEqual([{ law, what }]);
    expect(broken({ requests: 0 })).toEqual([{ law, what: "there was no request at all" }]);
  });

  it("is excused in the hands of a worker of its host that was killed, not later", () => {
    expect(broken({ failures: [failure], kills: [kill] })).toEqual([]);
    for (const other of [
      { host: "web2" },
      { watcher: "writer" },
      { fromMs: 6001, toMs: 6002 },
      { fromMs: 1, toMs: 2 },
    ]) {
      expect(broken({ failures: [failure], kills: [{ ...kill, ...other }] })).toEqual([{ law, what }]);
    }
  });

  it("is excused while nobody holds the socket, neither a worker nor the agent", () => {
    expect(broken({ failures: [failure], glances: [glance] })).toEqual([]);
    const apart = [
      { ...glance, atMs: 1000 },
      { ...glance, atMs: 9000 },
    ];
    expect(broken({ failures: [failure], glances: apart })).toEqual([]);
    for (const other of [{ host: "web2" }, { web: 1 }, { isAgentAlive: true }, { atMs: 9000 }, { atMs: 1000 }]) {
      expect(broken({ failures: [failure], glances: [{ ...glance, ...other }] })).toEqual([{ law, what }]);
    }
  });
});

describe("lines", () => {
  it.each([
    ["lost in the middle", { said: 3, logged: [1, 3] }, "line 3 where 2 was due"],
    ["doubled", { said: 3, logged: [1, 2, 2, 3] }, "line 2 where 3 was due"],
    ["out of order", { said: 3, logged: [2, 1, 3] }, "line 2 where 1 was due"],
    ["lost at the end", { said: 3, logged: [1, 2] }, "lines up to 2 in the log, 3 were written"],
    ["lost altogether", { said: 3, logged: [] }, "lines up to 0 in the log, 3 were written"],
    ["more than were written", { said: 3, logged: [1, 2, 3, 4, 5] }, "lines up to 5 in the log, 3 were written"],
  ])("%s", (_name, writer, what) => {
    expect(broken({ writers: [{ host: "web1", life: "10.100", ...writer }] })).toEqual([
      { law: "each line of a worker is in its log, once and in order", what: `web1, writer 10.100: ${what}` },
    ]);
  });

  it("the end of a process that was killed while its agent was away is excused, its middle is not", () => {
    const kill = { host: "web1", watcher: "writer", pid: 10, fromMs: 1, toMs: 2, isAgentAlive: false };
    const lines = (logged: readonly number[]) => ({ writers: [{ host: "web1", life: "10.100", said: 9, logged }] });
    expect(broken({ ...lines([1, 2]), kills: [kill] })).toEqual([]);
    expect(broken({ ...lines([1, 3]), kills: [kill] })).toHaveLength(1);
    expect(broken({ ...lines([1, 2]), kills: [{ ...kill, isAgentAlive: true }] })).toHaveLength(1);
    expect(broken({ ...lines([1, 2]), kills: [{ ...kill, pid: 1 }] })).toHaveLength(1);
  });

  it("no worker that wrote any", () => {
    expect(broken({ writers: [] })).toHaveLength(1);
  });
});

describe("events", () => {
  const both = (events: readonly EventRow[]) => [database("ctl1", { events }), database("ctl2", { events })];
  const law = "events are gapless and unique in every database";
  const truncated = event("web1", 4, { kind: "outbox_truncated", body: '{"epoch":7,"from":2,"to":3}' });

  it.each([
    ["a gap", [event("web1", 1), event("web1", 3)], "web1 7:2 is missing"],
    ["a lost beginning", [event("web1", 2)], "web1 7:1 is missing"],
    ["a lost end", [event("web1", 1)], "web1 7:2 is missing"],
    ["a repeat", [event("web1", 1), event("web1", 2), event("web1", 2)], "web1 7:2 is there twice"],
  ])("%s", (_name, events, what) => {
    expect(broken({ databases: both(events) })).toEqual(
      ["ctl1", "ctl2"].map((controller) => ({ law, what: `${controller}: ${what}` })),
    );
  });

  it("a life of which nothing came", () => {
    expect(broken({ reached: [{ host: "web3", epoch: 9, seq: 1 }] })).toContainEqual({
      law,
      what: "ctl1: web3 9:1 is missing",
    });
  });

  it("a gap that the controller knows of; of its own events not all are kept", () => {
    const events = [...database("ctl1").events, event("_fleet", 4)];
    expect(broken({ databases: both(events) })).toEqual([]);
    const gaps = [{ host: "_fleet", epoch: 7, from: 2, to: 2 }];
    expect(broken({ databases: [database("ctl1", { gaps })] })).toEqual([{ law, what: "ctl1: _fleet 7:2 is missing" }]);
  });

  it("numbers that the agent itself calls lost are not missing, others are", () => {
    expect(broken({ databases: both([event("web1", 1), truncated]) })).toEqual([]);
    expect(broken({ databases: both([event("web1", 1), { ...truncated, seq: 5 }]) })).toHaveLength(2);
  });
});

describe("databases", () => {
  const law = "all databases are equal";

  it("an event that one lacks, or has otherwise", () => {
    const { events } = database("ctl2");
    for (const other of [events.slice(0, 2), events.map((one) => ({ ...one, pid: 2 }))]) {
      const found = broken({ databases: [database("ctl1"), database("ctl2", { events: other })] });
      expect(found.map((one) => one.law)).toContain(law);
    }
  });

  it("a derived row", () => {
    const found = broken({ databases: [database("ctl1"), database("ctl2", { derived: ["cur web1 web failed"] })] });
    expect(found.map((one) => one.law)).toEqual([law, law]);
  });

  it("none at all", () => {
    expect(broken({ databases: [] })).toContainEqual({ law, what: "there is no database" });
  });
});

describe("rollouts", () => {
  const both = (more: Partial<Database>) => [database("ctl1", more), database("ctl2", more)];

  it("one that did not end, or that one controller does not know", () => {
    const running = [{ id: "r1", state: "running", attempt: 1, hosts: ["web1"] }];
    expect(broken({ databases: both({ rollouts: running }) })).toEqual([
      { law: "each rollout ended", what: "ctl1: rollout r1 is running" },
      { law: "each rollout ended", what: "ctl2: rollout r1 is running" },
    ]);
    expect(broken({ databases: [database("ctl1"), database("ctl2", { rollouts: [] })] })).toEqual([
      { law: "each rollout ended", what: "ctl2 does not know rollout r1" },
    ]);
  });

  it("a host that took one command twice", () => {
    const events = [event("web1", 1, accepted), event("web1", 2, accepted)];
    expect(broken({ databases: both({ events }) })[0]).toEqual({
      law: "no host is commanded twice",
      what: "ctl1: web1 took r1/web1/1 in its life 7 2 times",
    });
    const next = [event("web1", 1, accepted), event("web1", 1, { ...accepted, epoch: 8 })];
    expect(broken({ databases: both({ events: next }), reached: [] })).toEqual([]);
  });

  it("a host that got a fresh command in the same attempt, but not in the next", () => {
    const events = [event("web1", 1, accepted), event("web1", 2, { ...accepted, cause: "r1/web1/2" })];
    expect(broken({ databases: both({ events }) })[0]).toEqual({
      law: "no host is commanded twice",
      what: "ctl1: web1 was commanded 2 times in 1 attempts of r1",
    });
    const retried = [{ id: "r1", state: "done", attempt: 2, hosts: ["web1"] }];
    expect(broken({ databases: both({ events, rollouts: retried }) })).toEqual([]);
  });
});

describe("what runs at the end", () => {
  const law = "as many workers live as numprocesses says";
  const count = { host: "web1", watcher: "web", wanted: 2, living: [3, 4], known: [3, 4] };

  it.each([
    ["too few", { living: [3], known: [3] }],
    ["too many", { living: [3, 4, 5] }],
    ["others than the agent knows", { living: [3, 5] }],
  ])("%s", (_name, more) => {
    expect(broken({ counts: [{ ...count, ...more }] })).toEqual([{ law, what: expect.any(String) as string }]);
  });

  it("nothing was counted", () => {
    expect(broken({ counts: [] })).toHaveLength(1);
  });

  const { leftovers } = WHOLE;
  const held = leftovers.held[0]!;
  it.each([
    [
      "an orphan",
      { orphans: [{ host: "web1", pid: 9, command: "chaussette" }] },
      "web1: nobody knows process 9, chaussette",
    ],
    ["a zombie", { held: [{ ...held, zombies: 1 }] }, "circusd of web1 has 1 zombies"],
    ["a descriptor", { held: [{ ...held, after: { socket: 6 } }] }, "circusd of web1 holds 6 of socket, 5 before"],
    ["a FIFO", { fifos: ["state/x"] }, "nobody writes to state/x"],
  ])("%s is left", (_name, more, what) => {
    expect(broken({ leftovers: { ...leftovers, ...more } })).toEqual([
      { law: "no orphan, zombie, leaked descriptor or FIFO", what },
    ]);
  });
});

it("a program that ended of itself is named first", () => {
  expect(broken({ mishaps: [{ who: "circusd of web1", what: "ended with 1" }], requests: 0 })[0]).toEqual({
    law: "no program of ours ends or complains of itself",
    what: "circusd of web1: ended with 1",
  });
});

it("a stack trace or an exit code that nobody promised is no answer of circusctl", () => {
  const call = WHOLE.calls[0]!;
  expect(broken({ calls: [{ ...call, stderr: "Error: x\n    at main (file.js:1:2)\n" }] })).toHaveLength(1);
  expect(broken({ calls: [{ ...call, code: 2 }] })).toHaveLength(1);
  expect(broken({ calls: [{ ...call, code: null }] })).toHaveLength(1);
});

it.each<[string, Partial<RunRecord>]>([
  ["no program of ours ends or complains of itself", { mishaps: [{ who: "nats-server", what: "ended" }] }],
  ["no request fails where a healthy worker is", { failures: [failure] }],
  ["each line of a worker is in its log, once and in order", { writers: [] }],
  ["events are gapless and unique in every database", { reached: [{ host: "web1", epoch: 7, seq: 3 }] }],
  ["all databases are equal", { databases: [database("ctl1"), database("ctl2", { derived: [] })] }],
  ["each rollout ended", { databases: [database("ctl1"), database("ctl2", { rollouts: [] })] }],
  [
    "no host is commanded twice",
    { databases: [database("ctl1", { events: [event("web1", 1, accepted), event("web1", 2, accepted)] })] },
  ],
  ["as many workers live as numprocesses says", { counts: [] }],
  ["no orphan, zombie, leaked descriptor or FIFO", { leftovers: { orphans: [], held: [], fifos: ["state/1.out"] } }],
  ["every call of circusctl ends as documented", { calls: [{ line: "status", code: 2, stdout: "", stderr: "" }] }],
])("%s: a run that breaks this law alone is judged by it", (law, more) => {
  expect(Object.keys(LAWS)).toContain(law);
  expect([...new Set(broken(more).map((one) => one.law))]).toEqual([law]);
});
