import { describe, expect, it } from "vitest";
import { descriptorName, fromManager, message, socketNameOf, summary } from "./messages.ts";

describe("fromManager", () => {
  it("takes what is meant for this process", () => {
    const env = {
      ...{ NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "30000000", WATCHDOG_PID: "12" },
      ...{ LISTEN_FDS: "3", LISTEN_PID: "12", LISTEN_FDNAMES: "socket-web:circusd.socket" },
    };
    expect(fromManager(env, 12)).toEqual({
      notifySocket: "/run/systemd/notify",
      watchdogMs: 30_000,
      descriptors: ["socket-web", "circusd.socket", null],
    });
    expect(fromManager(env, 13)).toEqual({
      notifySocket: "/run/systemd/notify",
      watchdogMs: null,
      descriptors: [],
    });
  });

  it.each([
    [{}],
    [{ NOTIFY_SOCKET: "", WATCHDOG_USEC: "0", LISTEN_FDS: "2" }],
    [{ NOTIFY_SOCKET: "vsock:2:1234", WATCHDOG_USEC: "soon", LISTEN_FDS: "-1", LISTEN_PID: "12" }],
  ])("%j is nothing", (env) => {
    expect(fromManager(env, 12)).toEqual({ notifySocket: null, watchdogMs: null, descriptors: [] });
  });

  it("knows abstract sockets, and a watchdog that names nobody", () => {
    expect(fromManager({ NOTIFY_SOCKET: "@x", WATCHDOG_USEC: "1" }, 12)).toMatchObject({
      notifySocket: "@x",
      watchdogMs: 0.001,
    });
  });
});

describe("descriptorName()", () => {
  it.each(["web", "my web", "a:b%", "näher", "x".repeat(120)])("brings %j back", (name) => {
    const descriptor = descriptorName(name);
    expect(descriptor).toMatch(/^[\x21-\x39\x3b-\x7e]{1,255}$/); // no colon, no blank
    expect(socketNameOf(descriptor)).toBe(name);
  });

  it("knows what it did not name", () => {
    expect([null, "circusd.socket", "socket-%c3"].map(socketNameOf)).toEqual([null, null, null]);
  });
});

it("message() is an assignment per line", () => {
  expect(message({ FDSTORE: 1, FDNAME: "x" }).toString()).toBe("FDSTORE=1\nFDNAME=x");
});

it("summary() counts, and names who is not as it should be", () => {
  const process = { wid: 1, pid: 1, started: 0, health: "healthy", generation: 1 } as const;
  const watchers = [
    { name: "web", state: "active", processes: [process, process] },
    { name: "job", state: "failed", processes: [] },
    { name: "up", state: "starting", processes: [process] },
    { name: "idle", state: "stopped", processes: [] },
  ] as const;
  expect(summary(watchers)).toBe("3 processes of 4 watchers; failed: job; starting: up");
});
