import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeLogger } from "@circus-cluster/proto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TEST_CONFIG } from "../watcher/world.fixture.ts";
import { withCopied, withoutCopied } from "./copied-env.ts";
import { Journal } from "./journal.ts";
import type { JournalRecord } from "./records.ts";
import { replay } from "./table.ts";

let root: string;
let dir: string;
let said: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "journal-"));
  dir = join(root, "state");
  mkdirSync(dir);
  said = [];
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(root, { recursive: true });
});

const file = (): string => join(dir, "journal");
const log = makeLogger((level, text) => void said.push(`${level} ${text}`));
const open = (boot = "b1") => Journal.open({ stateDir: dir, boot, log });
const watcher: JournalRecord = { t: "watcher", watcher: "web", written: TEST_CONFIG, config: null, isAdded: false };
const slot: JournalRecord = { t: "slot", watcher: "web", slot: { wid: 1, generation: 7, crashes: 0, life: null } };
const intent: JournalRecord = {
  ...{ t: "intent", watcher: "web", wid: 1, id: "o-1" },
  ...{ notify: null, stdout: null, stderr: null },
};
const born: JournalRecord = { t: "born", watcher: "web", wid: 1, pid: 42, ticks: 9 };
const births = (journal: Journal) => [...(journal.table.watchers.get("web")?.slots.values() ?? [])];

describe("the journal", () => {
  it("gives back what was written, also with a torn last line, in a file for its owner alone", () => {
    using journal = open().journal;
    journal.append(watcher, slot, intent, born);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    writeFileSync(file(), `${readFileSync(file(), "utf8")}{"t":"gone","watcher":"we`);
    const { journal: next, left } = open();
    using _next = next;
    expect(left).toMatchObject({ garbage: [], records: 5 });
    expect(births(next)).toMatchObject([{ birth: { id: "o-1", pid: 42, ticks: 9 }, slot: { generation: 7 } }]);
    expect(next.table.isWhole).toBe(true);
    expect(said).toEqual([]);
  });

  it("knows nothing of another boot, and says where a line is none", () => {
    using journal = open().journal;
    journal.append(watcher, slot);
    {
      using other = open("b2").journal;
      expect(other.table.watchers.size).toBe(0);
      expect(other.table.isWhole).toBe(true);
      other.append(watcher);
    }
    writeFileSync(file(), readFileSync(file(), "utf8").replace("\n", "\nnonsense\n"));
    const { journal: next, left } = open("b2");
    using _next = next;
    expect(left?.garbage).toEqual([2]);
    expect([...next.table.watchers.keys()]).toEqual(["web"]);
    expect(next.table.isWhole).toBe(false);
    next.settled();
    expect(replay(readFileSync(file(), "utf8")).table.isWhole).toBe(true);
  });

  it("that cannot be written says so once, goes on in memory, and is whole as soon as it can be, whatever happens then", () => {
    vi.useFakeTimers();
    const failures: string[] = [];
    using journal = open().journal;
    journal.onFailure = (reason) => void failures.push(reason);
    journal.append(watcher);
    rmSync(dir, { recursive: true });
    journal.settled();
    journal.append(slot, intent);
    expect(failures).toEqual([expect.stringContaining("ENOENT")]);
    expect(said).toEqual([expect.stringContaining("error cannot write the journal")]);
    journal.append(born);
    vi.advanceTimersByTime(5000);
    expect(failures).toHaveLength(1);
    mkdirSync(dir);
    vi.advanceTimersByTime(1000);
    expect(said.at(-1)).toBe("info the journal is whole again");
    expect(vi.getTimerCount()).toBe(0);
    using next = open().journal;
    expect(births(next)).toMatchObject([{ birth: { pid: 42 } }]);
  });

  it("ends with nothing to adopt, and does not grow without bound", () => {
    using journal = open().journal;
    journal.append(watcher, slot);
    for (let i = 0; i < 5000; i++) journal.append(slot);
    expect(readFileSync(file(), "utf8").split("\n").length).toBeLessThan(2000);
    journal.reset();
    using next = open().journal;
    expect(next.table.watchers.size).toBe(0);
  });
});

it("what `copy_env` copied is that of the agent that reads it; what the file says stays", () => {
  const config = { ...TEST_CONFIG, copyEnv: true, env: { PATH: "/bin", INVOCATION: "1", MODE: "fast" } };
  const kept = withoutCopied(config, { PATH: "/bin", INVOCATION: "1" });
  expect(kept.env).toEqual({ MODE: "fast" });
  const like = { ...config, env: { PATH: "/bin", INVOCATION: "2", MODE: "slow" } };
  const own = { PATH: "/bin", INVOCATION: "2", OTHER: "x" };
  expect(withCopied(kept, like, own).env).toEqual({ PATH: "/bin", INVOCATION: "2", MODE: "fast" });
  expect(withCopied({ ...config, copyEnv: false }, null, own).env).toEqual(config.env);
});
