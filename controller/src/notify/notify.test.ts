import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FleetEvent, parseConditions } from "@circus-cluster/proto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FLEET, type StoredEvent } from "../ingest/decode.ts";
import { openDatabase } from "../store/database.ts";
import { EVENTS_MIGRATIONS } from "../store/migrations.ts";
import { Book } from "./book.ts";
import { type Mark, NO_MARK, type Notice, step } from "./core.ts";
import { deliver } from "./deliver.ts";
import { messageOf, testMessage } from "./message.ts";
import { matched, RULE_DEFAULTS, type Rule, USUAL_CONDITIONS } from "./rules.ts";
import { type Sighting, sightingsOf } from "./sightings.ts";

const T0 = Date.UTC(2026, 10, 24);
const RULE: Rule = {
  name: "oncall",
  on: USUAL_CONDITIONS,
  where: null,
  watchers: null,
  target: { kind: "command", line: "true" },
  ...RULE_DEFAULTS,
};

let streamSeq = 0;
function event(host: string, kind: string, over: Partial<FleetEvent> = {}, stored = T0): StoredEvent {
  const whole: FleetEvent = { v: 1, epoch: 1, seq: ++streamSeq, time: stored, kind, watcher: null, data: {}, ...over };
  return { host: host as StoredEvent["host"], event: whole, streamSeq, stored };
}

describe("what events mean", () => {
  const cases: readonly [StoredEvent, string | null][] = [
    [event(FLEET, "host_lost", { data: { host: "web1" } }), "begins host_lost: host web1 is lost"],
    [event(FLEET, "host_online", { data: { host: "web1" } }), "ends host_lost: host web1 is back"],
    [event(FLEET, "host_left", { data: { host: "web1" } }), "ends host_lost: host web1 has left the fleet"],
    [event(FLEET, "host_late", { data: { host: "web1" } }), null],
    [event(FLEET, "host_lost", { data: { host: "no name" } }), null],
    // Only the controllers may say this.
    [event("web2", "host_lost", { data: { host: "web1" } }), null],
    [
      event("web1", "watcher_failed", { watcher: "api", data: { reason: "exit 1" } }),
      "begins watcher_failed: watcher api on web1 failed: exit 1",
    ],
    [event("web1", "watcher_started", { watcher: "api" }), "ends watcher_failed: watcher api on web1 runs again"],
    [event("web1", "watcher_stopped", { watcher: "api" }), "ends watcher_failed: watcher api on web1 was stopped"],
    [event("web1", "watcher_removed", { watcher: "api" }), "ends watcher_failed: watcher api on web1 was removed"],
    [
      event("web1", "process_exited", { watcher: "api", data: { expected: false } }),
      "counts watcher_flapping: watcher api on web1 flaps",
    ],
    [event("web1", "process_exited", { watcher: "api", data: { expected: true } }), null],
    [event("web1", "host_conflict", { data: {} }), "happens host_conflict: another circusd claims to be host web1"],
    [
      event("web1", "outbox_truncated"),
      "happens events_lost: host web1 had to drop events that NATS did not take in time; its history has a gap",
    ],
    [
      event(FLEET, "rollout_ended", { watcher: "api", data: { rollout: "r1", state: "failed", reason: "web2: no" } }),
      "happens rollout_failed, rollout_ended: rollout r1 of api ended: failed (web2: no)",
    ],
    [
      event(FLEET, "rollout_ended", { watcher: "api", data: { rollout: "r1", state: "done", reason: null } }),
      "happens rollout_ended: rollout r1 of api ended: done",
    ],
    [event("web1", "of_tomorrow"), null],
  ];
  it.each(cases)("%#", (stored, expected) => {
    const sighting = sightingsOf(stored);
    expect(sighting === null ? null : `${sighting.is} ${sighting.conditions.join(", ")}: ${sighting.text}`).toBe(
      expected,
    );
  });

  it("chooses by condition, label and pattern", () => {
    const labels = (host: string): Record<string, string> => ({ role: host === "web1" ? "web" : "db" });
    const failed = sightingsOf(event("web1", "watcher_failed", { watcher: "api-v2" }))!;
    const of = (over: Partial<Rule>): string | null => matched({ ...RULE, ...over }, failed, labels);
    expect(of({})).toBe("watcher_failed");
    expect(of({ on: ["host_lost"] })).toBeNull();
    expect(of({ where: parseConditions("role=web") })).toBe("watcher_failed");
    expect(of({ where: parseConditions("role=db") })).toBeNull();
    expect(of({ watchers: ["web*", "api-v?"] })).toBe("watcher_failed");
    expect(of({ watchers: ["api"] })).toBeNull();
    const ended = sightingsOf(event(FLEET, "rollout_ended", { data: { rollout: "r", state: "failed" } }))!;
    expect(matched({ ...RULE, where: parseConditions("role=db") }, ended, labels)).toBe("rollout_failed");
    expect(matched({ ...RULE, on: ["rollout_ended"] }, ended, labels)).toBe("rollout_ended");
  });
});

describe("what is told", () => {
  const seen = (is: Sighting["is"], second: number): Sighting => ({
    ...{ is, conditions: ["watcher_failed"], host: "web1", watcher: "api", text: is },
    ...{ time: T0 + second * 1000, origin: `o${second}` },
  });

  /** All steps, and what would have been sent by the end. */
  function play(rule: Rule, sightings: readonly Sighting[]): { readonly mark: Mark; readonly told: readonly Notice[] } {
    let mark = NO_MARK;
    const told = new Map<string, Notice>();
    for (const sighting of sightings) {
      const next = step(rule, mark, "watcher_failed", sighting);
      if (next.drop !== null) {
        // What was due is out already: only what waits can be taken back.
        expect(told.get(next.drop)!.due).toBeGreaterThan(sighting.time);
        told.delete(next.drop);
      }
      if (next.add !== null) told.set(next.add.id, next.add);
      mark = next.mark;
    }
    return { mark, told: [...told.values()] };
  }
  const words = (notices: readonly Notice[]): string[] =>
    notices.map(({ state, due }) => `${state} ${(due - T0) / 1000}`);

  it("tells a beginning once, and its end", () => {
    expect(words(play(RULE, [seen("begins", 0), seen("begins", 5), seen("ends", 9), seen("ends", 10)]).told)).toEqual([
      "begins 0",
      "ends 9",
    ]);
    const quiet = { ...RULE, tellsEnd: false };
    expect(words(play(quiet, [seen("begins", 0), seen("ends", 9)]).told)).toEqual(["begins 0"]);
    expect(play(RULE, [seen("ends", 0)]).told).toEqual([]);
  });

  it("waits with what begins again soon, and forgets it where it ends before", () => {
    const soon = [seen("begins", 0), seen("ends", 9), seen("begins", 20)];
    expect(words(play(RULE, soon).told)).toEqual(["begins 0", "ends 9", "begins 600"]);
    expect(words(play(RULE, [...soon, seen("ends", 30)]).told)).toEqual(["begins 0", "ends 9"]);
    const later = [...soon, seen("ends", 30), seen("begins", 700)];
    expect(words(play(RULE, later).told)).toEqual(["begins 0", "ends 9", "begins 700"]);
  });

  it("counts exits within the window, then begins to count anew", () => {
    const exits = (...seconds: number[]): Sighting[] => seconds.map((second) => seen("counts", second));
    expect(play(RULE, exits(0, 1, 2, 3)).told).toEqual([]);
    expect(play(RULE, exits(0, 40, 80, 119, 121)).told).toEqual([]);
    const { told } = play(RULE, exits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    expect(told.map(({ text }) => text)).toEqual(["counts: 5 unasked exits within 2m"]);
    expect(play(RULE, exits(0, 1, 2, 3, 4, 700, 701, 702, 703, 704)).told).toHaveLength(2);
  });

  it("never tells two beginnings within the quiet time, and in the end what is", () => {
    const moves = fc.array(
      fc.record({ is: fc.constantFrom("begins" as const, "ends" as const), after: fc.integer({ min: 1, max: 900 }) }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(moves, (list) => {
        let second = 0;
        const { mark, told } = play(
          RULE,
          list.map(({ is, after }) => seen(is, (second += after))),
        );
        const begins = told.filter(({ state }) => state === "begins").map(({ due }) => due);
        for (const [i, due] of begins.entries()) {
          if (i > 0) expect(due - begins[i - 1]!).toBeGreaterThanOrEqual(RULE.quietMs);
        }
        const isOn = list.at(-1)?.is === "begins";
        expect(mark.open !== null).toBe(isOn);
        expect(told.at(-1)?.state === "begins").toBe(isOn);
      }),
    );
  });
});

describe("the book", () => {
  it("keeps what waits until somebody has sent it, here or elsewhere", () => {
    const db = openDatabase(":memory:", EVENTS_MIGRATIONS, "NORMAL");
    const rules = [RULE, { ...RULE, name: "chat", on: ["rollout_ended"] as const }];
    const book = new Book({ db, rules, labelsOf: () => ({}) });
    const lost = event(FLEET, "host_lost", { data: { host: "web1" } });
    book.take([lost, event(FLEET, "rollout_ended", { data: { rollout: "r1", state: "failed" } }, T0 + 5)]);
    expect(book.due("oncall", T0 - 1, 10)).toEqual([]);
    const due = book.due("oncall", T0 + 5, 10);
    expect(due.map(({ condition }) => condition)).toEqual(["host_lost", "rollout_failed"]);
    expect(book.due("oncall", T0 + 5, 1)).toEqual([due[0]]);
    expect(book.waiting).toBe(3);
    // Again in another life: it is the same.
    new Book({ db, rules, labelsOf: () => ({}) }).take([event(FLEET, "host_lost", { data: { host: "web1" } })]);
    expect(book.waiting).toBe(3);
    book.take([event(FLEET, "notice_sent", { data: { rule: "oncall", notices: [due[0]!.id, 7, "unknown"] } })]);
    expect(book.due("oncall", T0 + 5, 10)).toEqual([due[1]]);
    // No host may say so.
    book.take([event("web1", "notice_sent", { data: { notices: [due[1]!.id] } })]);
    expect(book.waiting).toBe(2);
    db.close();
  });
});

describe("a message", () => {
  const sender = { fleet: "main", controller: "ctl1", rule: "oncall" };
  const never = new AbortController().signal;

  it("shows twenty lines and lists all", () => {
    const notices = Array.from(
      { length: 23 },
      (_, i): Notice => ({
        ...{ id: `n${i}`, condition: "host_lost", state: "begins", host: `web${i}`, watcher: null },
        ...{ time: T0, due: T0, text: `host web${i} is lost` },
      }),
    );
    const message = messageOf(sender, notices);
    expect(message.id).toBe("n0");
    expect(message.text.split("\n")).toHaveLength(21);
    expect(message.text).toMatch(/^\[main\] host web0 is lost\n.*\n\[main\] and 3 more$/s);
    expect(message.notices).toHaveLength(23);
    expect(message.notices[0]).toEqual({
      ...{ id: "n0", condition: "host_lost", state: "begins", host: "web0", watcher: null },
      ...{ time: "2026-11-24T00:00:00.000Z", text: "host web0 is lost" },
    });
  });

  it("goes to a webhook with its id and token, and what is no success is a failure", async () => {
    const dir = mkdtempSync(join(tmpdir(), "circus-notify-"));
    const taken: { request: IncomingMessage; body: string }[] = [];
    let status = 204;
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        taken.push({ request, body });
        response.writeHead(status, { Location: "/elsewhere" }).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=1`;
      const tokenFile = join(dir, "token");
      writeFileSync(tokenFile, "s3cret\n");
      const message = testMessage(sender, T0);
      expect(await deliver({ kind: "webhook", url, tokenFile }, message, never)).toBeNull();
      const { request, body } = taken[0]!;
      expect([request.method, request.url, request.headers.authorization, request.headers["idempotency-key"]]).toEqual([
        "POST",
        "/hook?key=1",
        "Bearer s3cret",
        message.id,
      ]);
      expect(JSON.parse(body)).toEqual(message);
      for (const bad of [302, 404, 500]) {
        status = bad;
        expect(await deliver({ kind: "webhook", url, tokenFile: null }, message, never)).toMatch(`HTTP ${bad} `);
      }
      expect(taken).toHaveLength(4);
      const gone = { kind: "webhook", url, tokenFile: join(dir, "none") } as const;
      expect(await deliver(gone, message, never)).toMatch("ENOENT");
      const closed = createServer().listen(0, "127.0.0.1");
      await once(closed, "listening");
      const nobody = `http://127.0.0.1:${(closed.address() as AddressInfo).port}/`;
      await new Promise((resolve) => closed.close(resolve));
      expect(await deliver({ kind: "webhook", url: nobody, tokenFile: null }, message, never)).toMatch("ECONNREFUSED");
    } finally {
      server.closeAllConnections();
      server.close();
      rmSync(dir, { recursive: true });
    }
  });

  it("goes to a command on its stdin, whose exit code and last words count", async () => {
    const dir = mkdtempSync(join(tmpdir(), "circus-notify-"));
    const out = join(dir, "out");
    try {
      const message = testMessage(sender, T0);
      const run = (line: string, signal = never): Promise<string | null> =>
        deliver({ kind: "command", line }, message, signal);
      expect(await run(`cat > ${out}; echo "$CIRCUS_NOTICE_RULE: $CIRCUS_NOTICE_TEXT" >> ${out}`)).toBeNull();
      const [json = "", text] = readFileSync(out, "utf8").trim().split("\n");
      expect(JSON.parse(json)).toEqual(message);
      expect(text).toBe("oncall: [main] a test of the rule 'oncall'");
      expect(await run("true")).toBeNull();
      expect(await run("echo one >&2; echo no phone >&2; exit 3")).toBe("exit 3: no phone");
      expect(await run("kill -TERM $$")).toBe("killed by SIGTERM");
      const stop = new AbortController();
      writeFileSync(out, "0");
      // It and its child go.
      const running = run(`sleep 100 & echo $! > ${out}.pid; mv ${out}.pid ${out}; wait`, stop.signal);
      await expect.poll(() => Number(readFileSync(out, "utf8"))).toBeGreaterThan(1);
      stop.abort();
      expect(await running).toBe("killed by SIGKILL");
      const pid = Number(readFileSync(out, "utf8"));
      await expect.poll(() => isGone(pid)).toBe(true);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2] === "Z";
  } catch {
    return true;
  }
}
