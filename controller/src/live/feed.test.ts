import type { HostStatus, RolloutRecord, RolloutStep, WatcherState } from "@circus-cluster/proto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type FeedEntry, LiveFeed } from "./feed.ts";

const TICK = 200;
const KEEP = 60_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function watcher(name: string, state: WatcherState): HostStatus["watchers"][number] {
  return { name, state, since: 1, numprocesses: 1, running: 1, healthy: 1, pids: [1], reason: null };
}

class World {
  readonly hosts = new Map<string, HostStatus>();
  readonly looks: string[] = [];
  readonly feed = new LiveFeed({ life: "L", status: (host) => this.#status(host) });

  set(host: string, presence: HostStatus["presence"], watchers: readonly (readonly [string, WatcherState])[]): void {
    const list = watchers.map(([name, state]) => watcher(name, state));
    this.hosts.set(host, { host, presence, ageMs: 5, watchers: list });
    this.feed.see(host);
  }

  #status(host: string): HostStatus {
    this.looks.push(host);
    return this.hosts.get(host)!;
  }
}

/** `event host name state`, as far as there are such. */
function short({ event, data }: FeedEntry): string {
  const { host, name, state, presence, reason } = JSON.parse(data) as Record<string, string | null>;
  return [event, host, name, state, presence, reason].filter((word) => word !== null && word !== undefined).join(" ");
}

function listen(
  world: World,
  lastId: string | null | undefined = null,
): { got: string[]; ids: string[]; leave(): void } {
  const got: string[] = [];
  const ids: string[] = [];
  const take = (entry: FeedEntry): void => {
    got.push(short(entry));
    ids.push(entry.id);
  };
  const subscription = world.feed.subscribe(lastId ?? null, take);
  for (const entry of subscription.missed) take(entry);
  return { got, ids, leave: () => subscription[Symbol.dispose]() };
}

describe("LiveFeed", () => {
  it("tells a reader first that the state is to be asked for, then what changes", () => {
    const world = new World();
    const reader = listen(world);
    world.set("a", "online", [
      ["web", "active"],
      ["db", "active"],
    ]);
    vi.advanceTimersByTime(TICK);
    world.set("a", "online", [["web", "failed"]]);
    world.set("a", "online", [["web", "active"]]);
    vi.advanceTimersByTime(TICK);
    world.set("a", "lost", [["web", "unknown"]]);
    vi.advanceTimersByTime(TICK);
    world.feed.see("a");
    vi.advanceTimersByTime(TICK);
    expect(reader.got).toEqual([
      "reset start",
      "host a online",
      "watcher a web active",
      "watcher a db active",
      "watcher_removed a db",
      "host a lost",
      "watcher a web unknown",
    ]);
    expect(reader.ids).toEqual(["L-0", "L-1", "L-2", "L-3", "L-4", "L-5", "L-6"]);
    world.feed[Symbol.dispose]();
  });

  it("gives one that comes back what it missed, exactly once", () => {
    const world = new World();
    const first = listen(world);
    world.set("a", "online", [["web", "active"]]);
    vi.advanceTimersByTime(TICK);
    first.leave();
    world.set("a", "online", [["web", "failed"]]);
    vi.advanceTimersByTime(TICK);
    const back = listen(world, first.ids.at(-1));
    world.set("a", "online", [["web", "active"]]);
    vi.advanceTimersByTime(TICK);
    expect(back.got).toEqual(["watcher a web failed", "watcher a web active"]);
    expect(listen(world, back.ids.at(-1)).got).toEqual([]);
    expect(first.got).not.toContain("watcher a web failed");
    world.feed[Symbol.dispose]();
  });

  it("says `reset` where it does not know what was missed", () => {
    const world = new World();
    const first = listen(world);
    world.set("a", "online", [["web", "active"]]);
    vi.advanceTimersByTime(TICK);
    first.leave();
    vi.advanceTimersByTime(KEEP + TICK); // nobody watches: nothing is kept, nothing is looked at
    world.set("a", "online", [["web", "failed"]]);
    vi.advanceTimersByTime(10 * TICK);
    expect(world.looks).toEqual(["a"]);
    expect(listen(world, first.ids.at(-1)).got).toEqual(["reset too old"]);
    expect(listen(world, "another-life-1").got).toEqual(["reset too old"]);
    expect(listen(world, "garbage\n").got).toEqual(["reset too old"]);
    world.feed[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps a bounded number of entries", () => {
    const world = new World();
    const first = listen(world);
    for (let i = 0; i < 2500; i++) {
      world.set("a", i % 2 === 0 ? "online" : "late", []);
      vi.advanceTimersByTime(TICK);
    }
    expect(first.got).toHaveLength(2501);
    expect(listen(world, first.ids[499]).got).toEqual(["reset too old"]);
    expect(listen(world, first.ids[501]).got).toHaveLength(1999);
    world.feed[Symbol.dispose]();
  });

  it("looks at a bounded number of hosts at once, and gathers the changes of one", () => {
    const world = new World();
    const reader = listen(world);
    for (let i = 0; i < 500; i++) world.set(`h${i}`, "online", []);
    for (let i = 0; i < 500; i++) world.set(`h${i}`, "late", []);
    vi.advanceTimersByTime(TICK);
    expect(world.looks).toHaveLength(200);
    vi.advanceTimersByTime(2 * TICK);
    expect(world.looks).toHaveLength(500);
    expect(reader.got.filter((line) => line.endsWith("late"))).toHaveLength(500);
    world.feed[Symbol.dispose]();
  });

  it("tells of a rollout how many steps are where, and which moved", () => {
    const world = new World();
    const entries: FeedEntry[] = [];
    world.feed.subscribe(null, (entry) => entries.push(entry));
    // Of a step and a record only what the feed looks at.
    const step = (host: string, state: RolloutStep["state"]) => ({
      host,
      wave: 0,
      state,
      reason: null,
      commandId: host,
    });
    const record = (ended: number | null, steps: readonly object[]): RolloutRecord => {
      const head = { id: "r1", command: "restart", watcher: "web", actor: "eve", options: {} };
      return { ...head, state: ended === null ? "running" : "done", ended, steps } as unknown as RolloutRecord;
    };
    const hosts = Array.from({ length: 300 }, (_, i) => `h${i}`);
    world.feed.rollout(
      record(
        null,
        hosts.map((host) => step(host, "pending")),
      ),
    );
    world.feed.rollout(
      record(
        2,
        hosts.map((host) => step(host, host === "h7" ? "done" : "pending")),
      ),
    );
    const [first, second] = entries.map(({ data }) => JSON.parse(data) as Record<string, unknown>);
    expect(first).toMatchObject({ id: "r1", actor: "eve", state: "running", steps: { pending: 300 }, more: 100 });
    expect(first).toMatchObject({ changed: expect.objectContaining({ length: 200 }) as unknown });
    const changed = [{ host: "h7", wave: 0, state: "done", reason: null }];
    expect(second).toMatchObject({ state: "done", steps: { pending: 299, done: 1 }, changed, more: 0 });
    world.feed[Symbol.dispose]();
  });
});
