import { describe, expect, it } from "vitest";
import { openDatabase } from "../store/database.ts";
import { ROLLOUTS_MIGRATIONS } from "../store/migrations.ts";
import { draftsOf, type Replica, replicaOf, type Saved } from "./replica.ts";
import { planHost, planned } from "./scene.fixture.ts";
import type { RolloutCore } from "./state.ts";
import { RolloutStore } from "./store.ts";

const FENCE = { bucket: 1, revision: 5 };
const open = (): RolloutStore => new RolloutStore(openDatabase(":memory:", ROLLOUTS_MIGRATIONS, "FULL"));
const plan = (hosts = 3): RolloutCore =>
  planned(
    Array.from({ length: hosts }, (_, at) => planHost(`web${at}`)),
    {},
    { id: "r1" },
  );
/** Over the wire. */
const sent = (saved: Saved): Replica[] =>
  draftsOf(saved, "ctl1").map(({ data }) => replicaOf(JSON.parse(JSON.stringify(data)))!);
const begun = (core: RolloutCore, ord: number): RolloutCore => ({
  ...core,
  steps: core.steps.map((step, at) => (at === ord ? { ...step, state: "sent", generationBefore: 4 } : step)),
});

describe("rollouts at another controller", () => {
  it("are what the leader has stored, change by change", () => {
    const [leader, follower] = [open(), open()];
    const first = plan();
    expect(follower.take(sent(leader.save(first, FENCE)))).toEqual(["r1"]);
    const change = leader.save(begun(first, 1), FENCE);
    expect(change.steps).toHaveLength(1);
    follower.take(sent(change));
    expect(follower.load("r1")).toEqual(leader.load("r1"));
    expect(follower.isTold("r1")).toBe(true);
    expect(leader.isTold("r1")).toBe(false);
    leader.told("r1");
    expect(leader.isTold("r1")).toBe(true);
    expect(follower.isController("ctl1")).toBe(true);
  });

  it("take no older saving, neither a repeat of this leader nor of one that was deposed", () => {
    const [old, next, follower] = [open(), open(), open()];
    const first = plan();
    const before = sent(old.save(first, FENCE));
    follower.take(before);
    next.take(before);
    const late = sent(old.save(begun(first, 0), FENCE));
    // All of it, whatever the others may lack.
    const taken = next.save(begun(first, 2), { ...FENCE, revision: 6 });
    expect(taken.steps).toHaveLength(3);
    follower.take(sent(taken));
    expect(follower.take([...before, ...late])).toEqual([]);
    expect(follower.load("r1")).toEqual(next.load("r1"));
    // The deposed one follows, too, and forgets what only it knew.
    old.take(sent(taken));
    expect(old.load("r1")).toEqual(next.load("r1"));
  });

  it("go in parts that a broker takes, and are not there before the last one has come", () => {
    const [leader, follower] = [open(), open()];
    const parts = draftsOf(leader.save(plan(3000), FENCE), "ctl1");
    expect(parts.length).toBeGreaterThan(2);
    for (const { data } of parts) expect(JSON.stringify(data).length).toBeLessThan(300_000);
    const replicas = parts.map(({ data }) => replicaOf(data)!);
    follower.take(replicas.slice(0, -1));
    expect(follower.load("r1")).toBeNull();
    follower.take(replicas.slice(-1));
    expect(follower.load("r1")).toEqual(leader.load("r1"));
  });

  it("name very many hosts in pieces, once; what changes later leaves them out", () => {
    const [leader, follower] = [open(), open()];
    const others = Array.from({ length: 30_000 }, (_, at) => `a-host-with-quite-a-long-name-${at}`);
    const core = { ...plan(), others };
    const first = leader.save(core, FENCE);
    const parts = sent(first);
    expect(parts.length).toBeGreaterThan(4);
    for (const part of parts) expect(JSON.stringify(part).length).toBeLessThan(300_000);
    follower.take(parts.slice(0, -1));
    expect(follower.load("r1")).toBeNull();
    leader.forget("r1");
    const again = sent(leader.save(core, FENCE));
    follower.take(again.slice(0, 3));
    follower.take(again.slice(3));
    expect(follower.load("r1")).toEqual(leader.load("r1"));
    const change = sent(leader.save(begun(core, 1), FENCE));
    expect(JSON.stringify(change).length).toBeLessThan(3000);
    follower.take(change);
    expect(follower.load("r1")).toEqual(leader.load("r1"));
    expect(follower.load("r1")?.others).toHaveLength(30_000);
  });

  it.each([[null], [{}], [{ rollout: "r1", controller: "c", place: {}, head: null, steps: [] }], ["x"]])(
    "are not read from %j",
    (data) => expect(replicaOf(data)).toBeNull(),
  );
});
