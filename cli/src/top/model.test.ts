import { describe, expect, it } from "vitest";
import {
  HISTORY_MAX,
  initialTop,
  selectedWatcher,
  shownProcesses,
  shownWatchers,
  type TopEffect,
  type TopState,
  transition,
} from "./model.ts";
import type { Picture, TopProcess, TopWatcher } from "./picture.ts";

const one = (pid: number, more: Partial<TopProcess> = {}): TopProcess => ({
  ...{ pid, program: "sleep", cpu: 0, mem: 0, rssBytes: 0, ageS: 1, health: "healthy", children: 0, ...more },
});
const watcher = (name: string, processes: readonly TopProcess[], restarts: number | null = 0): TopWatcher => ({
  ...{ name, status: "active", numprocesses: processes.length, processes, restarts, reason: null },
});
const picture: Picture = {
  agent: null,
  watchers: [
    watcher("api", [one(1, { cpu: 5, mem: 3 }), one(2, { cpu: 9, mem: 1, program: "python" })], 4),
    watcher("db", [one(3, { cpu: 20, mem: 1, ageS: 100 })]),
    watcher("idle", [], null),
  ],
  sockets: [],
};
const start = transition(initialTop({ rows: 24, columns: 80 }), { kind: "picture", picture }).state;

function typed(state: TopState, ...keys: string[]): { state: TopState; effects: TopEffect[] } {
  const effects: TopEffect[] = [];
  let now = state;
  for (const key of keys) {
    const step = transition(now, { kind: "key", key });
    now = step.state;
    effects.push(...step.effects);
  }
  return { state: now, effects };
}
const names = (state: TopState) => shownWatchers(state).map(({ name }) => name);

describe("order and filter", () => {
  it.each([
    ["c", ["db", "api", "idle"]],
    ["m", ["api", "db", "idle"]],
    ["a", ["db", "api", "idle"]],
    ["n", ["api", "db", "idle"]],
    ["t", ["api", "db", "idle"]],
  ])("%s sorts; the same key again turns the order round", (key, order) => {
    const once = key === "c" ? start : typed(start, key).state;
    expect(names(once)).toEqual(order);
    const turned = names(typed(once, key).state);
    expect(turned[0]).toBe(key === "t" ? "db" : order.at(-1));
  });

  it("processes follow the order of their watchers", () => {
    const pids = (state: TopState) => shownProcesses(state, picture.watchers[0]!).map(({ pid }) => pid);
    expect(pids(start)).toEqual([2, 1]);
    expect(pids(typed(start, "m").state)).toEqual([1, 2]);
  });

  it("a filter is part of a watcher's or a program's name; Escape takes back what was typed, then the filter", () => {
    const filtered = typed(start, "/", "P", "y", "x", "backspace", "enter").state;
    expect(filtered).toMatchObject({ filter: "Py", mode: { kind: "list" } });
    expect(names(filtered)).toEqual(["api"]);
    expect(names(typed(filtered, "/", "z", "escape").state)).toEqual(["api"]);
    expect(names(typed(filtered, "escape").state)).toHaveLength(3);
    expect(typed(start, "/", "q").effects).toEqual([]);
  });

  it("a filter has a bound", () => {
    expect(typed(start, "/", ...Array<string>(200).fill("a")).state.filter).toHaveLength(64);
  });
});

describe("the cursor and the restart of the watcher under it", () => {
  it("moves within what is shown", () => {
    expect(selectedWatcher(start)?.name).toBe("db");
    expect(selectedWatcher(typed(start, "down", "j", "down", "down").state)?.name).toBe("idle");
    expect(selectedWatcher(typed(start, "end", "up").state)?.name).toBe("api");
    expect(selectedWatcher(typed(start, "end", "home", "up").state)?.name).toBe("db");
  });

  it("stays with its watcher when the order changes", () => {
    const onApi = typed(start, "down").state;
    expect(selectedWatcher(typed(onApi, "n").state)?.name).toBe("api");
  });

  it("asks before a restart, and tells what came of it", () => {
    expect(typed(start, "r").effects).toEqual([]);
    expect(typed(start, "r", "n")).toMatchObject({ effects: [], state: { message: "not restarted" } });
    const { state, effects } = typed(start, "r", "y");
    expect(effects).toEqual([{ kind: "restart", watcher: "db" }]);
    const told = transition(state, { kind: "told", message: "restart of db: ok" }).state;
    expect(told.message).toBe("restart of db: ok");
    expect(typed(told, "down").state.message).toBeNull();
  });

  it("restarts nothing where nothing is shown", () => {
    expect(typed(initialTop({ rows: 9, columns: 9 }), "r", "y").effects).toEqual([]);
  });
});

it("q leaves the list and the help, Ctrl-C anything", () => {
  expect(typed(start, "q").effects).toEqual([{ kind: "quit" }]);
  expect(typed(start, "h", "q").effects).toEqual([{ kind: "quit" }]);
  expect(typed(start, "h", "x")).toMatchObject({ effects: [], state: { mode: { kind: "list" } } });
  for (const before of [["/"], ["r"], ["h"], []])
    expect(typed(start, ...before, "interrupt").effects).toEqual([{ kind: "quit" }]);
});

it("keeps the last picture in trouble, and forgets the trouble with the next", () => {
  const troubled = transition(start, { kind: "trouble", reason: "no answer" }).state;
  expect(troubled).toMatchObject({ trouble: "no answer", picture });
  expect(transition(troubled, { kind: "picture", picture }).state.trouble).toBeNull();
});

it("remembers so much CPU of each watcher, and nothing of those that are gone", () => {
  let state = start;
  for (let i = 0; i < 2 * HISTORY_MAX; i++) state = transition(state, { kind: "picture", picture }).state;
  expect(state.history.get("api")).toEqual(Array(HISTORY_MAX).fill(14));
  const less = { ...picture, watchers: picture.watchers.slice(1) };
  expect([...transition(state, { kind: "picture", picture: less }).state.history.keys()]).toEqual(["db", "idle"]);
});
