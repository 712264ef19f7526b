import type { FleetEvent, HostSnapshot, WatcherSnapshot } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { type LiveHost, takeEvent, takeSnapshot } from "./model.ts";

const watcher: WatcherSnapshot = {
  name: "web",
  state: "active",
  numprocesses: 1,
  processes: [{ wid: 1, pid: 100, started: 5, health: "healthy", generation: 3 }],
  since: 5,
  generation: 3,
  reason: null,
};
const snapshot: HostSnapshot = { v: 1, epoch: 2, seq: 10, time: 9, version: "1", labels: {}, watchers: [watcher] };

function event(seq: number, kind: string, over: Partial<FleetEvent> = {}): FleetEvent {
  return { v: 1, epoch: 2, seq, time: 20, kind, watcher: "web", data: {}, ...over };
}

function after(...events: FleetEvent[]): LiveHost {
  return events.reduce(takeEvent, takeSnapshot(null, snapshot));
}

describe("the live picture of a host", () => {
  it("follows a restart through its events", () => {
    const host = after(
      event(11, "watcher_stopping"),
      event(12, "process_exited", { pid: 100, wid: 1, data: { expected: true } }),
      event(13, "watcher_stopped"),
      event(14, "watcher_starting", { data: { generation: 4 } }),
      event(15, "process_spawned", { pid: 101, wid: 2, data: { generation: 4 } }),
      event(16, "watcher_started", { time: 30 }),
      event(17, "process_healthy", { pid: 101, wid: 2 }),
    );
    expect(host.watchers.get("web")).toEqual({
      ...watcher,
      since: 30,
      generation: 4,
      crashes: 0,
      processes: [{ wid: 2, pid: 101, started: 20, health: "healthy", generation: 4 }],
    });
    expect(host.isStale).toBe(false);
  });

  it("follows the health of a process both ways", () => {
    const ill = event(11, "process_unhealthy", { pid: 100, wid: 1, data: { reason: "GET /: 500" } });
    const healthOf = (host: LiveHost) => host.watchers.get("web")?.processes.map(({ health }) => health);
    expect(healthOf(after(ill))).toEqual(["unhealthy"]);
    expect(healthOf(after(ill, event(12, "process_healthy", { pid: 100, wid: 1 })))).toEqual(["healthy"]);
  });

  it("counts deaths that nobody asked for, also over a new snapshot of the same life", () => {
    const host = after(event(11, "process_exited", { pid: 100, data: { expected: false, code: 1 } }));
    expect(takeSnapshot(host, { ...snapshot, seq: 12 }).watchers.get("web")?.crashes).toBe(1);
    expect(takeSnapshot(host, { ...snapshot, epoch: 3, seq: 1 }).watchers.get("web")?.crashes).toBe(0);
  });

  it("has an event only once, whichever came first", () => {
    const host = after(event(10, "watcher_stopped"), event(4, "watcher_stopped"));
    expect(host.watchers.get("web")?.state).toBe("active");
    expect(takeSnapshot(after(event(11, "watcher_stopped")), snapshot).watchers.get("web")?.state).toBe("stopped");
  });

  it("knows when it does not know", () => {
    expect(after(event(12, "process_killed")).isStale).toBe(true);
    expect(after(event(11, "watcher_started", { watcher: "new" })).isStale).toBe(true);
    expect(after(event(1, "agent_started", { epoch: 3, watcher: null })).isStale).toBe(true);
    expect(after(event(11, "watcher_updated", { data: { numprocesses: 4 } }))).toMatchObject({ isStale: true });
    expect(after(event(11, "process_killed")).isStale).toBe(false);
  });

  it("shows everything stopped after the goodbye", () => {
    const host = after(event(11, "agent_stopped", { watcher: null }));
    expect(host.watchers.get("web")).toMatchObject({ state: "stopped", processes: [] });
    const left = after(event(11, "agent_stopped", { watcher: null, data: { workers_left: 2 } }));
    expect(left.watchers.get("web")).toMatchObject({ state: "active" });
  });
});
