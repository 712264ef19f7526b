/** `circusctl logs` on one host and over a fleet: files that rotate, workers that die, readers that sleep. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type Program, projectRoot, run } from "../support/process.ts";
import { type WaitOptions, waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const WRITER = join(projectRoot, "test/fixtures/numbered_writer.py");

/** The machine may be busy with other tests. */
const DEADLINE_MS = 60_000;
const until = <T>(condition: () => T | Promise<T>, options: WaitOptions) =>
  waitFor(condition, { deadlineMs: DEADLINE_MS, everyMs: 100, ...options });

interface Line {
  readonly host: string | null;
  readonly watcher: string;
  readonly pid: number | null;
  readonly stream: string | null;
  readonly time: number | null;
  readonly line: string;
}

function linesOf(text: string): Line[] {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return whole.filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
}

/** The numbers that one process of the writer wrote, in the order of the lines. */
function numbers(lines: readonly Line[], host: string | null, pid: number): number[] {
  return lines.filter((line) => line.host === host && line.pid === pid).map(({ line }) => Number(line.split(" ")[1]));
}

const pidsOf = (lines: readonly Line[], host: string): number[] => [
  ...new Set(lines.filter((line) => line.host === host).map(({ pid }) => pid ?? 0)),
];

function isGapless(all: readonly number[]): boolean {
  return all.length > 0 && all.every((number, at) => at === 0 || number === (all[at - 1] ?? 0) + 1);
}

it("shows and follows what workers write, over rotations, deaths and pauses of the reader", async () => {
  await using fleet = await RealFleet.start(["web1", "web2"], {
    isOnLoopback: true,
    sections: () => ({
      "watcher:talk": {
        cmd: `python3 ${WRITER} notes 0.02`,
        copy_env: true,
        numprocesses: 2,
        "stdout_stream.filename": "talk.log",
        "stdout_stream.time_format": "%Y-%m-%d %H:%M:%S.%f",
        "stdout_stream.max_bytes": 20_000,
        "stdout_stream.backup_count": 5,
      },
      "watcher:spoken": { cmd: `python3 ${WRITER} notes 0.1`, copy_env: true, "stdout_stream.class": "StdoutStream" },
      "watcher:flood": {
        cmd: `yes ${"x".repeat(200)}`,
        copy_env: true,
        autostart: false,
        "stdout_stream.filename": "flood.log",
        "stdout_stream.max_bytes": 1_000_000,
      },
    }),
  });
  const { agent } = fleet.host("web1");
  const local = (args: string) => run("circusctl", ["--endpoint", agent.endpoint, ...args.split(" ")]);
  const talks = async (host: string): Promise<number[]> => {
    const { pids } = (await fleet.host(host).agent.call("list", { name: "talk" })) as unknown as { pids: number[] };
    return pids;
  };

  // The past, on this host and of all.
  await until(async () => (await local("logs talk -n 3")).stdout.split("\n").length === 4, { what: "three lines" });
  expect((await local("logs TALK -n 3")).stdout).toMatch(/^(?:\d+ \| \d+\.\d+ \d+ x+\n){3}$/);
  expect(await local("logs nothing")).toMatchObject({ code: 3, stderr: "circusctl: program nothing not found\n" });
  expect(await local("logs talk -n 2000000")).toMatchObject({ code: 2 });
  const eve = { CIRCUSCTL_CREDS: fleet.credentials("viewer-eve") };
  const past = await until(
    async () => {
      const result = await fleet.ctl("--all logs talk --lines 40 --json", eve);
      return ["web1", "web2"].every((host) => pidsOf(linesOf(result.stdout), host).length === 2) && result;
    },
    { what: "both hosts to have written" },
  );
  expect([past.code, past.stderr]).toEqual([0, ""]);
  const shown = linesOf(past.stdout);
  expect(shown.map(({ time }) => time)).toEqual(shown.map(({ time }) => time ?? 0).sort((a, b) => a - b));
  for (const host of ["web1", "web2"]) {
    for (const pid of await talks(host)) expect(isGapless(numbers(shown, host, pid)), `${host} ${pid}`).toBe(true);
  }
  const recent = await fleet.ctl("--host web1 logs talk --since 1s --json");
  for (const { time } of linesOf(recent.stdout)) expect(time).toBeGreaterThan(Date.now() - 30_000);

  // What has no file.
  const live = await fleet.startCtl("--all logs spoken -f");
  await live.waitForLine(/^web1 +\d+ \| \d+\.\d+ \d+ x/, DEADLINE_MS);
  expect(live.stderr).toBe("circusctl: web1, web2: spoken writes to no file: live lines only\n");
  await interrupted(live);

  // A follower sees every line once: those before it began, those of a successor, those of rotated files.
  const follower = await fleet.startCtl("--all logs talk -f -n 50 --json");
  const [victim = 0] = await talks("web1");
  await until(() => numbers(linesOf(follower.stdout), "web1", victim).length > 20, { what: "lines of the victim" });
  process.kill(victim, "SIGKILL");
  await until(() => pidsOf(linesOf(follower.stdout), "web1").length === 3, { what: "lines of its successor" });
  const enough = linesOf(follower.stdout).length + 400; // several files full
  await until(() => linesOf(follower.stdout).length > enough, { what: "more lines than a file has" });
  await interrupted(follower);
  const seen = linesOf(follower.stdout);
  for (const host of ["web1", "web2"]) {
    for (const pid of pidsOf(seen, host)) expect(isGapless(numbers(seen, host, pid)), `${host} ${pid}`).toBe(true);
  }
  expect(follower.stderr).toBe("");

  // Who does not read loses lines, is told, and holds nobody up.
  await agent.call("start", { name: "flood", waiting: true });
  const slow = await fleet.startCtl("--host web1 logs flood -f");
  await until(() => slow.stdout.length > 100_000, { what: "the flood" });
  slow.kill("SIGSTOP");
  const { pids } = (await agent.call("list", { name: "flood" })) as unknown as { pids: number[] };
  const start = writtenBy(pids[0] ?? 0);
  await until(() => writtenBy(pids[0] ?? 0) > start + 20_000_000, { what: "the worker to go on" });
  const notices = slow.stderr.length;
  slow.kill("SIGCONT");
  await until(() => /web1: \d+ lines left out\n/.test(slow.stderr.slice(notices)), { what: "the notice" });
  await interrupted(slow);

  // The fleet as `top` shows it, to a viewer too.
  const top = await fleet.ctl("--all top --count 1", eve);
  expect([top.code, top.stderr]).toEqual([0, ""]);
  expect(top.stdout).toMatch(/^2 hosts \(2 online\), 6 watchers, .*; says ctl1, every 2 s$/m);
  for (const host of ["web1", "web2"]) {
    const row = new RegExp(`^${host} +talk +online +active +2/2 +\\d+\\.\\d +[\\d.]+M +\\d+ +now`, "m");
    expect(top.stdout).toMatch(row);
  }
}, 240_000);

/** Bytes, of a process. */
function writtenBy(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** Ctrl-C ends it with 0. */
async function interrupted(program: Program): Promise<void> {
  program.kill("SIGINT");
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await program.stop();
}
