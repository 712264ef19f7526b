/** `config` over hosts: which file each is told to put in place, what is asked of it before, and how it is judged after. */
import type { RolloutOptions } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { names, planHost, planned, Scene, view } from "./scene.fixture.ts";
import type { HostView, Values } from "./state.ts";
import { wholeHost } from "./whole-host.ts";

const [NEW, OLD, OTHER] = ["a", "b", "c"].map((letter) => letter.repeat(64)) as [string, string, string];
const ill = view(1, { state: "failed", processes: [], reason: "no such file" });
const host = (parts: Readonly<Record<string, HostView>>): HostView => wholeHost(1, new Map(Object.entries(parts)));
const before = host({ web: view(1), job: ill });

function begun(properties: Values, options: Partial<RolloutOptions> = {}, hosts = 2): Scene {
  const known = names(hosts).map((name) => planHost(name));
  const one = { batch: [{ kind: "count", n: 1 }], ...options } as const;
  return new Scene(planned(known, one, { command: "config", properties }));
}
const looked = (scene: Scene, name: string, values: Values | null, found = before): unknown =>
  scene.give({ kind: "looked", host: name, found, values });
const answered = (scene: Scene, name: string, found: HostView, id = "1"): void => {
  scene.give({ kind: "answered", commandId: `r1/${name}/${id}`, outcome: "done", reason: null });
  scene.give({ kind: "looked", host: name, found });
};
const asked = (scene: Scene): unknown => scene.effects.find((effect) => effect.kind === "look");

describe("config push", () => {
  it("carries the hash alone, and is told with it", () => {
    const scene = begun({ version: NEW });
    const started = scene.effects.flatMap((effect) => (effect.kind === "event" ? [effect.draft] : []))[0];
    expect(started).toMatchObject({ kind: "rollout_started", data: { command: "config", version: NEW } });
    expect(asked(scene)).toMatchObject({ options: null });
    looked(scene, "web1", null);
    expect(scene.sends()).toMatchObject([
      { command: "config-apply", commandId: "r1/web1/1", properties: { version: NEW, waiting: true } },
    ]);
  });

  it("is done where all is well that was not ill before, what is new as well", () => {
    const scene = begun({ version: NEW });
    looked(scene, "web1", null);
    answered(scene, "web1", host({ web: view(2), job: ill, more: view(1, { processes: [] }) }));
    expect(scene.states[0]).toBe("restarted");
    scene.seen("web1", host({ web: view(2), job: ill, more: view(1), rests: view(1, { state: "stopped" }) }));
    expect(scene.states[0]).toBe("soaking");
    scene.seen("web1", host({ web: view(2), job: ill, more: ill }));
    expect(scene.core.steps[0]).toMatchObject({
      state: "failed",
      reason: "the watcher became failed in the soak time",
    });
  });

  it("--on-fail rollback comes back to the file of before, of those that have the new one", () => {
    const scene = begun({ version: NEW }, { onFail: "rollback", minHealthy: { kind: "count", n: 0 } }, 3);
    expect(asked(scene)).toMatchObject({ options: ["file"] });
    looked(scene, "web1", { file: OLD });
    answered(scene, "web1", before);
    scene.wait(10_000);
    looked(scene, "web2", { file: OTHER });
    scene.give({ kind: "answered", commandId: "r1/web2/1", outcome: "refused", reason: "no such program" });
    expect(scene.states).toEqual(["pending", "failed", "untouched"]);
    looked(scene, "web1", null);
    expect(scene.sends()).toMatchObject([
      { command: "config-apply", commandId: "r1/web1/1-undo", properties: { file: OLD, from: NEW, waiting: true } },
    ]);
    answered(scene, "web1", before, "1-undo"); // its job is as ill as it was
    scene.wait(10_000);
    expect(scene.states).toEqual(["restored", "failed", "untouched"]);
  });

  it("does not begin on a host that does not say what would have to come back", () => {
    const scene = begun({ version: NEW }, { onFail: "rollback" });
    looked(scene, "web1", null);
    expect(scene.core.steps[0]?.reason).toBe("its value of file is not known, and so could not be rolled back");
  });
});

describe("config rollback", () => {
  it("names the file to come back to before it is sent, and keeps it at every repeat", () => {
    const scene = begun({ from: NEW });
    expect(asked(scene)).toMatchObject({ options: ["file", "version", "previous"] });
    looked(scene, "web1", { version: NEW, file: OTHER, previous: OLD });
    const properties = { file: OLD, from: NEW, waiting: true };
    expect(scene.sends()).toMatchObject([{ command: "config-apply", properties }]);
    scene.give({ kind: "take-up" });
    expect(scene.sends()).toMatchObject([{ command: "config-apply", commandId: "r1/web1/1", properties }]);
  });

  it.each([
    [{ version: OTHER, file: OLD, previous: OLD }, "skipped", "its configuration is not aaaaaaaaaaaa"],
    [{ version: null, file: OLD, previous: OLD }, "skipped", "its configuration is not aaaaaaaaaaaa"],
    [{ version: NEW, file: OLD, previous: null }, "skipped", "its former configuration is not kept any more"],
    [null, "failed", "its configuration is not known"],
  ])("touches no host that has it not: %j", (values, state, reason) => {
    const scene = begun({ from: NEW });
    looked(scene, "web1", values);
    expect(scene.core.steps[0]).toMatchObject({ state, reason });
    expect(scene.sends()).toEqual([]);
  });
});
