/** Output of real processes through pipes into every sink. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EventDraft, makeLogger } from "@circus-cluster/proto";
import { afterAll, describe, expect, it } from "vitest";
import { resolveStream, type StreamConfig } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";
import { spawnProcess } from "../process/spawn.ts";
import { TEST_CONFIG } from "../watcher/world.fixture.ts";
import { Outputs } from "./outputs.ts";

const dir = mkdtempSync(join(tmpdir(), "outputs-test-"));
const hosts: Host[] = [];
afterAll(async () => {
  await Promise.all(hosts.map(({ outputs }) => outputs.close()));
  rmSync(dir, { recursive: true });
});
let number = 0;
const freshFile = (): string => join(dir, `${++number}.log`);
const read = (file: string): string => readFileSync(file, "utf8");

const pipes = (): string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)].filter((to) => to.startsWith("pipe:") || to.startsWith(dir));
    } catch {
      return []; // that of the listing itself
    }
  });

function stream(options: Record<string, unknown>): StreamConfig {
  const { stream: resolved, problems } = resolveStream(options);
  if (resolved === null) throw new Error(JSON.stringify(problems));
  return resolved;
}

class Host {
  readonly told: string[] = [];
  readonly events: EventDraft[] = [];
  readonly outputs: Outputs;

  /** @param stateDir null: pipes instead of FIFOs */
  constructor(stateDir: string | null = null) {
    const log = makeLogger((level, text, fields) => void this.told.push(`${level} ${text} ${JSON.stringify(fields)}`));
    this.outputs = new Outputs({ emit: (event) => this.events.push(event) }, log, stateDir);
    hosts.push(this);
  }

  config(stdout: Record<string, unknown> | null, stderr: Record<string, unknown> | null = null): WatcherConfig {
    return {
      ...TEST_CONFIG,
      stdoutStream: stdout === null ? null : stream(stdout),
      stderrStream: stderr === null ? null : stream(stderr),
    };
  }

  /** Runs a shell line to its end. */
  async run(config: WatcherConfig, script: string): Promise<number> {
    const prepared = this.outputs.prepare(config, 1);
    if (!prepared.ok) throw new Error(prepared.reason);
    const { outputs } = prepared;
    return await new Promise((resolve, reject) => {
      const base = {
        cwd: dir,
        uid: null,
        gid: null,
        groups: null,
        executable: null,
        rlimits: {},
        stdin: "ignore",
        fds: [],
        activation: null,
        nofile: null,
      } as const;
      const env = { PATH: process.env["PATH"] ?? "" };
      const { stdout, stderr } = outputs;
      const result = spawnProcess({ ...base, env, argv: ["sh", "-c", script], stdout, stderr }, ({ pid }) => {
        outputs.exited();
        resolve(pid);
      });
      if (result.ok) outputs.begin(result.pid);
      else reject(new Error(result.reason));
    });
  }

  /** A stop of the watcher. */
  async rest(): Promise<void> {
    this.outputs.rest("web");
    await this.outputs.atRest("web");
  }
}

/** What every sink does alike. `reader` gives all that came out of it so far. */
interface Subject {
  readonly name: string;
  readonly options: (file: string) => Record<string, unknown>;
  readonly reader: (host: Host, file: string) => () => string;
}

const ofFile: Subject["reader"] = (_host, file) => () => read(file);
const ofQueue: Subject["reader"] = (host) => {
  let text = "";
  return () => {
    const queue = host.outputs.queueOf("web", "stdout");
    for (let record = queue?.take(); record !== undefined; record = queue?.take()) text += record.data.toString();
    return text;
  };
};

const SINKS: readonly Subject[] = [
  { name: "FileStream", options: (filename) => ({ filename }), reader: ofFile },
  {
    name: "WatchedFileStream",
    options: (filename) => ({ class: "WatchedFileStream", filename }),
    reader: ofFile,
  },
  {
    name: "TimedRotatingFileStream",
    options: (filename) => ({ class: "TimedRotatingFileStream", filename, rotate_when: "midnight" }),
    reader: ofFile,
  },
  { name: "QueueStream", options: () => ({ class: "circus.stream.QueueStream" }), reader: ofQueue },
];

describe.each(SINKS)("$name", ({ options, reader }) => {
  it("has everything that processes wrote, in order, when they have gone", async () => {
    const [host, file] = [new Host(dir), freshFile()];
    const config = host.config(options(file));
    const textNow = reader(host, file);
    // 4 MB: more than a pipe and more than a queue hold, and characters of several bytes at every border.
    const marks = ["é", "€", "😀"].map((mark) => mark.repeat(20));
    await Promise.all(marks.map((mark) => host.run(config, `seq -f '%g ${mark}' 1 20000`)));
    await expect.poll(() => textNow().split("\n").length, { timeout: 15_000 }).toBe(60_001);
    const lines = textNow().trimEnd().split("\n");
    for (const mark of marks) {
      const numbers = lines.filter((line) => line.endsWith(` ${mark}`)).map((line) => Number(line.split(" ")[0]));
      expect(numbers).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
    }
    await host.rest();
    expect(readdirSync(join(dir, "output"))).toEqual([]);
  });
});

describe("Outputs", () => {
  it("keeps bytes as they are without a time format, and a line apart from the next process'", async () => {
    const [host, filename] = [new Host(), freshFile()];
    await host.run(host.config({ filename }), String.raw`printf 'a\n\nb\303'; sleep 0.05; printf '\251\377\0 no end'`);
    await host.run(host.config({ filename }), "echo next");
    await host.rest();
    expect(readFileSync(filename)).toEqual(
      Buffer.concat([Buffer.from("a\n\nbé"), Buffer.from([255, 0]), Buffer.from(" no end\nnext\n")]),
    );
  });

  it("shares a file between stdout and stderr, and between watchers", async () => {
    const [host, filename] = [new Host(), freshFile()];
    const both = host.config(
      { filename, max_bytes: 100_000, backup_count: 99 },
      { filename, max_bytes: "100000", backup_count: "99" },
    );
    const other = { ...both, name: "other" };
    const script = "for i in $(seq 1 2000); do echo out $i of $$; echo err $i of $$ >&2; done";
    await Promise.all([host.run(both, script), host.run(other, script)]);
    await host.outputs.close();
    const files = readdirSync(dir).filter((name) => join(dir, name).startsWith(filename));
    const lines = files.flatMap((name) => read(join(dir, name)).trimEnd().split("\n"));
    expect(lines).toHaveLength(8000);
    expect(new Set(lines).size).toBe(8000);
    expect(lines.every((line) => /^(out|err) \d+ of \d+$/.test(line))).toBe(true);
    expect(host.events.length).toBeGreaterThan(0);
    expect(host.events[0]).toMatchObject({ kind: "log_rotated", data: { file: filename, moved_to: `${filename}.1` } });
  });

  it.each([
    ["pipes", null],
    ["FIFOs", dir],
  ])("closes %s and files at a stop, without waiting for who still holds them", async (_, stateDir) => {
    const before = pipes().length;
    const [host, filename] = [new Host(stateDir), freshFile()];
    await host.run(host.config({ filename }), "echo parent; sleep 30 & echo $! > child.pid");
    try {
      await host.rest();
      expect(read(filename)).toBe("parent\n");
      expect(pipes()).toHaveLength(before);
      expect(readdirSync(join(dir, "output"))).toEqual([]);
    } finally {
      process.kill(Number(read(join(dir, "child.pid"))));
    }
  });

  it("goes on reading what a grandchild writes while its watcher runs", async () => {
    const [host, filename] = [new Host(dir), freshFile()];
    await host.run(host.config({ filename }), "mkfifo go; (cat go > /dev/null; echo late) & echo early");
    const go = openSync(join(dir, "go"), "w");
    writeSync(go, "go");
    closeSync(go);
    await expect.poll(() => read(filename), { timeout: 10_000 }).toBe("early\nlate\n");
    await host.rest();
  });

  it("changes where output goes while processes run, in order, and stays where the new place is none", async () => {
    const [host, first, second] = [new Host(), freshFile(), freshFile()];
    const running = host.run(host.config({ filename: first }), "echo one; mkfifo gate; cat gate; echo three");
    await expect.poll(() => read(first), { timeout: 10_000 }).toBe("one\n");
    host.outputs.configure(host.config({ filename: "/no/such/dir/f" }));
    expect(host.told.at(-1)).toContain("output goes on as before");
    host.outputs.configure(host.config({ filename: second, time_format: "at" }));
    const gate = openSync(join(dir, "gate"), "w");
    writeSync(gate, "two\n");
    closeSync(gate);
    const pid = await running;
    await host.rest();
    expect(read(first)).toBe("one\n");
    expect(read(second)).toBe(`at [${pid}] | two\nat [${pid}] | three\n`);
  });

  it("makes files anew that were moved away, when told", async () => {
    const [host, filename] = [new Host(), freshFile()];
    const config = host.config({ filename });
    await host.run(config, "echo before");
    await expect.poll(() => read(filename)).toBe("before\n");
    renameSync(filename, `${filename}.moved`);
    host.outputs.reopen();
    await host.run(config, "echo after");
    await host.rest();
    expect([read(`${filename}.moved`), read(filename)]).toEqual(["before\n", "after\n"]);
  });

  it("refuses a file that cannot be opened with one line, and leaves nothing open", () => {
    const before = pipes().length;
    const host = new Host(dir);
    const config = host.config({ filename: freshFile() }, { filename: "/no/such/dir/f" });
    const reason = "stderr_stream: cannot open '/no/such/dir/f': its directory does not exist";
    expect(host.outputs.prepare(config, 1)).toEqual({ ok: false, reason });
    expect(host.outputs.problemOf(config)).toBe(reason);
    host.outputs.rest("web");
    expect(readdirSync(join(dir, "output"))).toEqual([]);
    expect(pipes().filter((to) => !to.endsWith(".log")).length).toBeLessThanOrEqual(before);
  });
});

it("goes on with what processes write whose watcher is no more, and closes the file after the last of them", async () => {
  const host = new Host();
  const file = freshFile();
  const config = host.config({ filename: file });
  const [go, gone] = [join(dir, `${++number}.go`), freshFile()];
  const running = host.run(config, `echo one; until test -e ${go}; do sleep 0.02; done; echo two`);
  host.outputs.leave("web");
  // Another one of the name has outputs of its own, and its end touches nothing of the old one.
  await host.run(host.config({ filename: gone }), "echo other");
  await host.rest();
  writeFileSync(go, "");
  await running;
  await expect.poll(() => pipes().filter((to) => to === file)).toEqual([]);
  expect([read(file), read(gone)]).toEqual(["one\ntwo\n", "other\n"]);
});
