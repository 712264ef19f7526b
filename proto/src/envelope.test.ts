import { describe, expect, it } from "vitest";
import { CLOCK_TOLERANCE_MS, type CommandEnvelope, commandEnvelope, staleness } from "./envelope.ts";
import { fleetEvent, messageId, stateAfter } from "./events.ts";
import { parse } from "./schema.ts";

const good: CommandEnvelope = { v: 1, id: "r1/web1/1", issued: 1000, ttl: 30_000, command: "restart", properties: {} };

describe("commandEnvelope", () => {
  it("accepts an envelope and refuses a reflected PubAck, extra fields and odd ids", () => {
    expect(parse(commandEnvelope, good).ok).toBe(true);
    for (const bad of [
      { stream: "EVENTS", seq: 2 },
      { ...good, actor: "root" },
      { ...good, id: "a\r\nb" },
      { ...good, ttl: 0 },
      { ...good, v: 2 },
      null,
      [],
    ]) {
      expect(parse(commandEnvelope, bad).ok).toBe(false);
    }
  });

  it("is stale or of the future beyond ttl and tolerance", () => {
    expect(staleness(good, 1000)).toBeNull();
    expect(staleness(good, 1000 + 30_000 + CLOCK_TOLERANCE_MS)).toBeNull();
    expect(staleness(good, 1001 + 30_000 + CLOCK_TOLERANCE_MS)).toBe("stale");
    expect(staleness({ ...good, issued: 100_001 }, 100_000 - CLOCK_TOLERANCE_MS)).toBe("future");
  });
});

describe("fleetEvent", () => {
  const event = { v: 1, epoch: 5, seq: 1, time: 9, kind: "process_exited", watcher: "web", data: {} } as const;
  it("keeps kinds and fields of a newer version", () => {
    const parsed = parse(fleetEvent, { ...event, kind: "process_teleported", colour: "blue" });
    expect(parsed).toMatchObject({ ok: true, value: { kind: "process_teleported", colour: "blue" } });
  });
  it("refuses what cannot be an event", () => {
    for (const bad of [
      { ...event, seq: 0 },
      { ...event, kind: "A b" },
      { ...event, watcher: "" },
      { stream: "EVENTS", seq: 2 },
    ]) {
      expect(parse(fleetEvent, bad).ok).toBe(false);
    }
  });
  it("has an id that names it for ever", () => expect(messageId("web1", event)).toBe("web1:5:1"));
  it("says which state a watcher is in afterwards", () => {
    expect(stateAfter("watcher_started")).toBe("active");
    expect(stateAfter("process_exited")).toBeNull();
  });
});
