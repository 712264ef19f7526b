import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CircusError, makeLogger } from "@circus-cluster/proto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadConfig } from "../config/load.ts";
import type { AgentConfig } from "../config/types.ts";
import type { Cause } from "../watcher/api.ts";
import { ConfigFile } from "./config-file.ts";
import { hashOf } from "./place.ts";

const FLEET = "[fleet]\nnats_url = nats://127.0.0.1:4222\nhost = web1\n";
const OLD = `[watcher:web]\ncmd = sleep 1000\n\n${FLEET}`;
const NEW = "[watcher:web]\ncmd = sleep 2000\n\n[watcher:more]\ncmd = sleep 3000\n";
const PLAIN = { force: false, identity: false };
const CAUSE: Cause = { actor: "ctl1", command: "r1/web1/1" };

let dir: string;
let path: string;
let config: AgentConfig;
/** Thrown by the next reloads, one each. */
let failures: CircusError[];
let reloads: string[];
/** The next reloads never end. */
let isKilled: boolean;

/** An agent that takes up what its file says, as far as this test can see. */
function agentFile(): ConfigFile {
  const agent = {
    get config() {
      return config;
    },
    reloadConfig: () => {
      reloads.push(readFileSync(path, "utf8"));
      if (isKilled) return new Promise<never>(() => undefined);
      const failure = failures.shift();
      if (failure !== undefined) return Promise.reject(failure);
      config = loadConfig(path).config!;
      return Promise.resolve([]);
    },
    streamProblem: () => null,
    log: makeLogger(() => undefined),
  };
  return new ConfigFile(agent, join(dir, "state"), () => 7);
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "config-file-"));
  path = join(dir, "circus.ini");
  writeFileSync(path, OLD, { mode: 0o640 });
  config = loadConfig(path).config!;
  failures = [];
  reloads = [];
  isKilled = false;
});
afterEach(() => rmSync(dir, { recursive: true }));

const now = (): string => readFileSync(path, "utf8");
const stage = (file: ConfigFile, text: string, allowed = PLAIN): string =>
  file.stage(text, hashOf(text), hashOf(now()), allowed);
const move = (some: { version?: string; file?: string; from?: string }) => ({
  ...{ version: null, file: null, from: null },
  ...some,
});
const push = async (file: ConfigFile, text: string): Promise<void> => {
  stage(file, text);
  await file.apply(move({ version: hashOf(text) }), CAUSE);
};

describe("check", () => {
  it("says what the file would do, with the host's own [fleet] in it, and changes nothing", () => {
    const { text, next, problems, warnings, effects, version, edited } = agentFile().check(NEW, PLAIN);
    expect(next).toBe(NEW); // what it keeps is no difference
    expect(text).toBe("[watcher:web]\ncmd = sleep 1000\n");
    expect({ problems, warnings, version, edited }).toEqual({
      problems: [],
      warnings: [],
      version: null,
      edited: false,
    });
    expect(effects).toMatchObject({ added: ["more"], removed: [], renewed: ["web"], changed: [], deferred: [] });
    expect(now()).toBe(OLD);
    expect(existsSync(join(dir, "state"))).toBe(false);
  });

  it("warns of what would get new processes and could not have them here, and of nothing else", () => {
    const text = "[watcher:web]\ncmd = no-such-program\n\n[watcher:more]\ncmd = sleep 1\nuid = none-such\n";
    const { problems, warnings } = agentFile().check(text, PLAIN);
    expect({ problems, warnings }).toEqual({
      problems: [],
      warnings: [
        "more would not start: uid: no user 'none-such' on this host",
        "web would not start: cannot run 'no-such-program': not found in PATH /bin:/usr/bin",
      ],
    });
    writeFileSync(path, `${text}${FLEET}`);
    config = loadConfig(path).config!;
    expect(agentFile().check(`${text}\n[watcher:next]\ncmd = sleep 3\n`, PLAIN).warnings).toEqual([]);
  });

  it("names every mistake with file and line, as circusd --check does", () => {
    const { problems, effects } = agentFile().check(
      "[watcher:web]\ncmd = x\nnumprocesses = many\nrespawn = perhaps\n",
      PLAIN,
    );
    expect(problems).toEqual([
      expect.stringMatching(/^circus\.ini:3: .*numprocesses/),
      expect.stringMatching(/^circus\.ini:4: .*respawn/),
    ]);
    expect(effects).toBeNull();
  });

  it.each([
    [`${NEW}${FLEET.replace("web1", "web2")}`, /\(\[fleet\] host\); see --allow-identity$/],
    [`[circus]\nendpoint = tcp://127.0.0.1:5999\n${NEW}`, /\(endpoint\)/],
    [`[circus]\nstate_dir = /elsewhere\n${NEW}`, /\(state_dir\)/],
  ])("does not let a push make the host another one", (text, reason) => {
    const file = agentFile();
    expect(file.check(text, PLAIN).problems).toEqual([expect.stringMatching(reason)]);
    expect(() => stage(file, text)).toThrow(reason);
    expect(file.check(text, { force: false, identity: true }).problems).toEqual([]);
  });

  it("refuses a file that it may not replace, or that is too large", () => {
    const text = `${NEW}# ${"x".repeat(256 * 1024)}\n`;
    expect(agentFile().check(text, PLAIN).problems).toEqual(["more than 262144 bytes"]);
    writeFileSync(path, text);
    expect(() => agentFile().check(NEW, PLAIN)).toThrow(/circus\.ini has \d+ bytes; up to 262144/);
    rmSync(path);
    expect(() => agentFile().check(NEW, PLAIN)).toThrow(
      new CircusError("os", `cannot read ${path}: ENOENT: no such file or directory, stat '${path}'`),
    );
  });
});

describe("apply", () => {
  it("puts the file in place with its mode, keeps the former one, and says who it was", async () => {
    const file = agentFile();
    await push(file, NEW);
    expect(now()).toBe(`${NEW}\n${FLEET}`);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    const { version, previous, edited, entries } = file.look(null, true);
    expect({ version, previous, edited }).toEqual({ version: hashOf(NEW), previous: hashOf(OLD), edited: false });
    expect(entries).toEqual([
      { time: 7, actor: "ctl1", cause: "r1/web1/1", version, file: hashOf(now()), base: hashOf(OLD) },
    ]);
    expect(file.look(hashOf(OLD).slice(0, 12), false).text).toBe(OLD);
    expect(file.look(hashOf(NEW).slice(0, 12), false).text).toBe(now());
    expect(() => file.look("nothing", false)).toThrow("no file nothing is kept here");
    // And back, by another agent of the same host.
    await agentFile().apply(move({ file: hashOf(OLD), from: hashOf(NEW) }), CAUSE);
    expect(now()).toBe(OLD);
    expect(agentFile().look(null, true)).toMatchObject({
      version: null,
      previous: hashOf(`${NEW}\n${FLEET}`),
      edited: false,
    });
    expect(config.watchers.map(({ name }) => name)).toEqual(["web"]);
  });

  it("replaces what a symbolic link points to", async () => {
    const real = join(dir, "real.ini");
    writeFileSync(real, OLD);
    rmSync(path);
    symlinkSync(real, path);
    await push(agentFile(), NEW);
    expect(readFileSync(real, "utf8")).toBe(`${NEW}\n${FLEET}`);
    expect(readdirSync(dir).sort()).toEqual(["circus.ini", "real.ini", "state"]);
  });

  it("has the former file back where the agent cannot be brought to the new one", async () => {
    const file = agentFile();
    failures = [new CircusError("failed", "more: no such program")];
    await expect(push(file, NEW)).rejects.toThrow(
      new CircusError("failed", "more: no such program; the former file is back"),
    );
    expect(now()).toBe(OLD);
    expect(reloads).toEqual([`${NEW}\n${FLEET}`, OLD]);
    expect(file.look(null, true)).toMatchObject({ version: null, edited: false, entries: [] });
    // The same again, as a retry asks.
    await file.apply(move({ version: hashOf(NEW) }), CAUSE);
    expect(file.look(null, true).version).toBe(hashOf(NEW));
  });

  it("finds what was done before the agent was killed in the middle", async () => {
    const file = agentFile();
    stage(file, NEW);
    isKilled = true;
    void file.apply(move({ version: hashOf(NEW) }), CAUSE);
    await vi.waitFor(() => expect(reloads).toHaveLength(1));
    isKilled = false;
    const next = agentFile();
    expect(next.look(null, true)).toMatchObject({ version: hashOf(NEW), previous: hashOf(OLD), edited: false });
    await next.apply(move({ version: hashOf(NEW) }), CAUSE);
    await next.apply(move({ version: hashOf(NEW) }), CAUSE);
    expect(next.look(null, true).entries).toEqual([
      {
        ...{ time: 7, actor: "ctl1", cause: "r1/web1/1" },
        version: hashOf(NEW),
        file: hashOf(now()),
        base: hashOf(OLD),
      },
    ]);
    expect(reloads).toHaveLength(3);
  });

  it("does not touch a file that somebody edits: not what was seen, nor what was pushed", async () => {
    const file = agentFile();
    stage(file, NEW);
    writeFileSync(path, `# mine\n${OLD}`);
    await expect(file.apply(move({ version: hashOf(NEW) }), CAUSE)).rejects.toThrow(
      /was changed meanwhile: it is \w{12}, not/,
    );
    await push(file, NEW);
    writeFileSync(path, `# mine\n${now()}`);
    expect(file.look(null, true)).toMatchObject({ version: null, edited: true });
    expect(() => stage(file, NEW)).toThrow(/^it was edited by hand since the push of \w{12}; --force/);
    await expect(file.apply(move({ file: hashOf(OLD), from: hashOf(NEW) }), CAUSE)).rejects.toThrow(
      /is not \w{12} any more$/,
    );
    expect(stage(file, OLD, { force: true, identity: false })).toBe(hashOf(OLD));
  });

  it("checks once more just before, and needs what was staged", async () => {
    const file = agentFile();
    const included = join(dir, "more.ini");
    writeFileSync(included, "[watcher:more]\ncmd = x\n");
    const text = "[circus]\ninclude = more.ini\n[watcher:web]\ncmd = y\n";
    stage(file, text);
    writeFileSync(included, "[watcher:more]\ncmd = x\nnumprocesses = many\n");
    await expect(file.apply(move({ version: hashOf(text) }), CAUSE)).rejects.toThrow(/^more\.ini:3: /);
    await expect(file.apply(move({ version: hashOf("other") }), CAUSE)).rejects.toThrow(
      /^no configuration \w{12} is staged here$/,
    );
    await expect(file.apply(move({ file: "../../x" }), CAUSE)).rejects.toThrow(/^no file \.\.\/\.\.\/x is kept here$/);
    expect(now()).toBe(OLD);
    expect(reloads).toEqual([]);
  });

  it("keeps a bounded number of former files, each for its owner alone", async () => {
    const file = agentFile();
    for (let n = 0; n < 15; n++) await push(file, `[watcher:web]\ncmd = sleep ${n}\n`);
    const kept = readdirSync(join(dir, "state/config")).filter((name) => name.endsWith(".ini"));
    expect(kept.length).toBe(11); // ten steps back, and the present one
    for (const name of kept) expect(statSync(join(dir, "state/config", name)).mode & 0o777).toBe(0o600);
    expect(file.look(null, true).entries.length).toBe(15);
  });

  it("changes nothing where the former file cannot be kept", async () => {
    const file = agentFile();
    stage(file, NEW);
    mkdirSync(join(dir, "state/config/index.json.new")); // where the index is written first
    await expect(file.apply(move({ version: hashOf(NEW) }), CAUSE)).rejects.toThrow(
      /^the former file cannot be kept: EISDIR/,
    );
    expect(now()).toBe(OLD);
    expect(reloads).toEqual([]);
  });
});
