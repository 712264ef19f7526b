// The processes of `npm run up`: started apart from the terminal, remembered with pid and start time, so that nothing
// else is ever signalled, ended in reverse order. The record .up/run.json is written at each start, not at the end: an
// `up` that dies half-way leaves nothing that `down` cannot find.
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { upDir } from "./paths.mjs";

/** In the environment of all that is started here, and so of what that starts: whose it is, and of which .up/. */
const MARK = "CIRCUS_UP_MARK";
const recordFile = join(upDir, "run.json");

/** Start time in clock ticks since boot, from /proc; null when there is no such process, or a zombie. */
function startTime(pid) {
  try {
    // The name, in brackets, may hold anything; fields 3 and 22 of proc(5) are the 1st and 20th after it.
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

function bootId() {
  return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** What an earlier `up` started, or null. */
export function readRecord() {
  if (!fs.existsSync(recordFile)) return null;
  const record = JSON.parse(fs.readFileSync(recordFile, "utf8"));
  // After a reboot pids and start times mean nothing.
  return record.boot === bootId() ? record : null;
}

export function writeRecord(record) {
  fs.mkdirSync(upDir, { recursive: true });
  fs.writeFileSync(`${recordFile}.new`, `${JSON.stringify({ ...record, boot: bootId() }, null, 2)}\n`);
  fs.renameSync(`${recordFile}.new`, recordFile);
}

export function forgetRecord() {
  fs.rmSync(recordFile, { force: true });
}

export function isAlive({ pid, start }) {
  return startTime(pid) === start;
}

/** Starts a program detached, its output in `log`. @throws when it cannot be started at all. */
export async function start(name, command, args, { log, cwd, env }) {
  fs.mkdirSync(dirname(log), { recursive: true });
  const output = fs.openSync(log, "a");
  try {
    const marked = { ...env, [MARK]: upDir };
    const child = spawn(command, args, { cwd, env: marked, detached: true, stdio: ["ignore", output, output] });
    await new Promise((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => reject(new Error(`${name}: ${error.message}`)));
    });
    child.unref();
    return { name, pid: child.pid, start: startTime(child.pid), log };
  } finally {
    fs.closeSync(output);
  }
}

function signal(one, name) {
  if (!isAlive(one)) return;
  try {
    process.kill(one.pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** Ends one: SIGTERM, then SIGKILL to its group when `graceMs` have passed. Returns how it went. */
async function stop(one, graceMs) {
  if (!isAlive(one)) return "was not running any more";
  signal(one, "SIGTERM");
  const deadline = Date.now() + graceMs;
  while (isAlive(one)) {
    if (Date.now() > deadline) {
      try {
        process.kill(-one.pid, "SIGKILL"); // detached: it leads its own group
      } catch {
        signal(one, "SIGKILL");
      }
      while (isAlive(one)) await delay(10);
      return `killed after ${graceMs / 1000} s`;
    }
    await delay(10);
  }
  return "stopped";
}

/** Workers that outlived their agent (it was killed): they carry our mark. */
function orphans() {
  const isOurs = (pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${MARK}=${upDir}`);
    } catch {
      return false; // gone, or another user's
    }
  };
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isOurs(name))
    .map((name) => ({ name: "a left worker", pid: Number(name), start: startTime(name) }))
    .filter(({ start }) => start !== null);
}

/** Ends all, the last started first; those of the same kind together. */
export async function stopAll(processes, say, graceMs = 40_000) {
  const left = [...processes].reverse();
  while (left.length > 0) {
    const kind = left[0].kind;
    const group = left.splice(0, left.findLastIndex((one) => one.kind === kind) + 1);
    await Promise.all(group.map(async (one) => say(`${one.name} (pid ${one.pid}) ${await stop(one, graceMs)}`)));
  }
  await Promise.all(orphans().map(async (one) => say(`${one.name} (pid ${one.pid}) ${await stop(one, graceMs)}`)));
}
