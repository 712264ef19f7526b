/** `reloadconfig` over hosts: each is judged by the watchers that were healthy before (see `whole-host.ts`). */
import { describe, expect, it } from "vitest";
import { names, planHost, planned, Scene, view } from "./scene.fixture.ts";
import type { HostView } from "./state.ts";
import { wholeHost } from "./whole-host.ts";

describe("reloadconfig", () => {
  const ill = view(1, { state: "failed", processes: [], reason: "no such file" });
  const host = (web: HostView, job: HostView = ill): HostView =>
    wholeHost(
      1,
      new Map([
        ["web", web],
        ["job", job],
        ["rests", view(1, { state: "stopped", processes: [] })],
      ]),
    );
  const begun = (): Scene => {
    const known = names(2).map((name) => planHost(name));
    const scene = new Scene(planned(known, { batch: [{ kind: "count", n: 1 }] }, { command: "reloadconfig" }));
    scene.give({ kind: "looked", host: "web1", found: host(view(1)) });
    return scene;
  };
  const done = (scene: Scene, found: HostView): void => {
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    scene.give({ kind: "looked", host: "web1", found });
  };

  it("is done where all that was healthy is so again; what was ill or rests is nobody's failure", () => {
    const scene = begun();
    expect(scene.sends()).toMatchObject([{ command: "reloadconfig", properties: { waiting: true } }]);
    done(scene, host(view(2, { processes: [] })));
    expect(scene.states[0]).toBe("restarted");
    scene.seen("web1", host(view(2)));
    expect(scene.core.steps[0]).toMatchObject({ state: "soaking", pidsAfter: [21, 22] });
    scene.wait(10_000);
    expect(scene.states[0]).toBe("done");
  });

  it("fails where one of those fails, or is stopped; one that the file has no more is no matter", () => {
    const failing = begun();
    done(failing, host(ill, view(1)));
    expect(failing.core.steps[0]?.reason).toBe("the watcher failed: web: no such file");
    const stopped = begun();
    done(stopped, host(view(1, { state: "stopped", processes: [] })));
    expect(stopped.core.steps[0]?.reason).toBe("the watcher was stopped: web is stopped");
    const without = begun();
    done(without, wholeHost(1, new Map([["job", ill]])));
    expect(without.states[0]).toBe("soaking");
  });

  it("a file that is refused stops it, and the rest is untouched", () => {
    const scene = begun();
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "refused", reason: "circus.ini:3: unknown" });
    expect(scene.core).toMatchObject({
      state: "failed",
      reason: "web1: refused: circus.ini:3: unknown; 1 host untouched",
    });
  });
});
