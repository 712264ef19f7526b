import { ROLLOUT_DEFAULTS, type RolloutRecord } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../store/database.ts";
import { ROLLOUTS_MIGRATIONS } from "../store/migrations.ts";
import { newCore, recordOf } from "./state.ts";
import { RolloutStore } from "./store.ts";

function record(id: string, created: number): RolloutRecord {
  const step = { wave: 0, generationBefore: null, pidsBefore: [], pidsAfter: [], reason: null, updated: created };
  return {
    id,
    command: "restart",
    watcher: "web",
    actor: "alice",
    created,
    ended: null,
    state: "running",
    reason: null,
    options: ROLLOUT_DEFAULTS,
    steps: ["web1", "web2"].map((host) => ({ ...step, host, state: "pending", commandId: `${id}/${host}/1` })),
  };
}

describe("the store of rollouts", () => {
  it("gives back what was saved, countdowns included, and only what runs as open", () => {
    const db = openDatabase(":memory:", ROLLOUTS_MIGRATIONS, "FULL");
    const store = new RolloutStore(db);
    const core = newCore(record("r1", 5));
    store.save(core);
    const [first, second] = core.steps;
    const changed = {
      ...core,
      steps: [
        {
          ...first!,
          state: "soaking",
          generationBefore: 3,
          pidsBefore: [1, 2],
          pidsAfter: [3],
          healthLeftMs: 9.6,
          soakLeftMs: 7,
        } as const,
        second!,
      ],
    };
    store.save(changed);
    store.save(newCore(record("r2", 6)));
    const [open] = new RolloutStore(db).open();
    expect(open?.steps[0]).toMatchObject({ healthLeftMs: 10, soakLeftMs: 7, pidsBefore: [1, 2], generationBefore: 3 });
    expect(recordOf(open!)).toEqual(recordOf(changed));
    store.save({ ...changed, state: "failed", reason: "web1: no", ended: 8 });
    expect(new RolloutStore(db).open().map(({ id }) => id)).toEqual(["r2"]);
    expect(store.list(10).map(({ id, state }) => [id, state])).toEqual([
      ["r2", "running"],
      ["r1", "failed"],
    ]);
    expect(store.show("r1")).toEqual({ ...recordOf(changed), state: "failed", reason: "web1: no", ended: 8 });
    expect(store.show("r3")).toBeNull();
    db.close();
  });
});
