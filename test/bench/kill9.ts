/**
 * `npm run bench -- kill9`: what a kill -9 of the supervisor costs. Two web workers on a socket that they inherit and two
 * that write numbered lines, under load; the supervisor is killed, and later started again on the same configuration.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { killSurvivors, type ProcessInfo, processesIn } from "../support/leaks.ts";
import { startLoad } from "../support/load.ts";
import { freePort, freePorts } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";
import { type Row, table } from "./measure.ts";
import { ended, pythonCircus, pythonEnv } from "./supervisors.ts";

const WEB = 2;
const WRITERS = 2;
/** Under load before the kill, without a supervisor, and after its new start. */
const PHASES_MS = [4000, 6000, 10_000] as const;

interface Place {
  readonly dir: string;
  readonly port: number;
  readonly fixtures: string;
}

interface Subject {
  readonly name: string;
  readonly file: string;
  configuration(place: Place): Promise<string>;
  argv(config: string): readonly string[];
}

interface Outcome {
  readonly name: string;
  readonly alive: number;
  readonly requests: number;
  readonly failed: number;
  readonly lost: number;
  /** After the new start. */
  readonly web: number;
  readonly writers: number;
  /** The supervisor itself; else it ended again. */
  readonly isBack: boolean;
}

const WORDS = { web: "small_http.py", writer: "numbered_writer.py" };

async function circusIni({ dir, port, fixtures }: Place, more = ""): Promise<string> {
  const endpoints = (await freePorts(3)).map((one) => `tcp://127.0.0.1:${one}`);
  const common = "copy_env = True\ngraceful_timeout = 2\n";
  return (
    `[circus]\nendpoint = ${endpoints[0]}\npubsub_endpoint = ${endpoints[1]}\nstats_endpoint = ${endpoints[2]}\n${more}` +
    `[socket:web]\nhost = 127.0.0.1\nport = ${port}\n` +
    `[watcher:web]\ncmd = /usr/bin/python3 ${fixtures}/${WORDS.web} $(circus.sockets.web)\nuse_sockets = True\n` +
    `numprocesses = ${WEB}\n${common}` +
    `[watcher:writer]\ncmd = /usr/bin/python3 ${fixtures}/${WORDS.writer} notes 0.005\nnumprocesses = ${WRITERS}\n${common}` +
    `stdout_stream.class = FileStream\nstdout_stream.filename = ${dir}/out.log\n`
  );
}

function supervisorConf({ dir, port, fixtures }: Place): string {
  const program = `process_name=%(program_name)s_%(process_num)d\nstartsecs=0\nautorestart=true\n`;
  return (
    `[supervisord]\nnodaemon=true\nlogfile=${dir}/supervisord.log\npidfile=${dir}/s.pid\n` +
    (process.getuid?.() === 0 ? "user=root\n" : "") +
    `[fcgi-program:web]\nsocket=tcp://127.0.0.1:${port}\ncommand=/usr/bin/python3 ${fixtures}/${WORDS.web} 0\n` +
    `numprocs=${WEB}\n${program}` +
    `[program:writer]\ncommand=/usr/bin/python3 ${fixtures}/${WORDS.writer} notes 0.005\nnumprocs=${WRITERS}\n` +
    `stdout_logfile=${dir}/out.log\nstdout_logfile_maxbytes=0\n${program}`
  );
}

function subjects(root: string): Subject[] {
  const python = pythonCircus("circusd");
  const [pythonFile = "", ...pythonArgs] = python ?? [];
  const all: Subject[] = [
    {
      ...{ name: "ours", file: join(root, "node_modules/.bin/circusd"), argv: (config) => [config] },
      configuration: (place) => circusIni(place, `state_dir = ${place.dir}/state\n`),
    },
    {
      ...{ name: "circusd (Python)", file: pythonFile, argv: (config) => [...pythonArgs, config] },
      configuration: (place) => circusIni(place),
    },
    {
      ...{ name: "supervisord", file: "/usr/bin/supervisord", argv: (config) => ["-c", config] },
      configuration: (place) => Promise.resolve(supervisorConf(place)),
    },
  ];
  return all.filter(({ file }) => existsSync(file));
}

const workers = (dir: string): ProcessInfo[] => processesIn(dir).filter(({ command }) => kindOf(command) !== null);

function kindOf(command: string): "web" | "writer" | null {
  if (command.includes(WORDS.web)) return "web";
  return command.includes(WORDS.writer) ? "writer" : null;
}

async function killed(subject: Subject, dir: string, fixtures: string): Promise<Outcome> {
  const port = await freePort();
  const config = join(dir, "config");
  writeFileSync(config, await subject.configuration({ dir, port, fixtures }));
  const begin = (): ChildProcess =>
    spawn(subject.file, subject.argv(config), { cwd: dir, env: pythonEnv(), stdio: "ignore" });
  const begun = [begin()];
  try {
    await waitFor(() => workers(dir).length === WEB + WRITERS, {
      what: "the workers",
      deadlineMs: 30_000,
      everyMs: 100,
    });
    await delay(1000); // Python has begun to listen to signals, and each has answered once
    await using load = startLoad({ port, workers: 4, pauseMs: 2, timeoutMs: 5000, expect: "Hello, World!\n" });
    await delay(PHASES_MS[0]);
    for (const first of begun) await ended(first, "SIGKILL");
    await delay(PHASES_MS[1]);
    const alive = workers(dir).length;
    const second = begin();
    begun.push(second);
    await delay(PHASES_MS[2]);
    const now = workers(dir).map(({ command }) => kindOf(command));
    const isBack = second.exitCode === null;
    const { requests, failures } = await load.stop();
    const web = now.filter((kind) => kind === "web").length;
    await ended(second);
    const counts = { alive, requests, failed: failures.length, web, writers: now.length - web, isBack };
    killSurvivors(workers(dir));
    return { name: subject.name, ...counts, lost: lostLines(dir) };
  } finally {
    for (const one of begun) await ended(one, "SIGKILL");
    killSurvivors(workers(dir));
  }
}

/** Written by workers, and in no log. */
function lostLines(dir: string): number {
  const logged = new Set<string>();
  for (const line of readFileSync(join(dir, "out.log"), "latin1").split("\n")) {
    logged.add(line.split(" ").slice(0, 2).join(" "));
  }
  let lost = 0;
  for (const life of readdirSync(join(dir, "notes"))) {
    const said = Number(readFileSync(join(dir, "notes", life), "utf8"));
    for (let number = 1; number <= said; number++) if (!logged.has(`${life} ${number}`)) lost++;
  }
  return lost;
}

export async function benchKill9(dir: string, root: string): Promise<string> {
  const rows: Row[] = [];
  for (const subject of subjects(root)) {
    console.error(`kill9: ${subject.name}`);
    const own = join(dir, subject.name.replace(/\W/g, ""));
    mkdirSync(own, { recursive: true });
    const { name, alive, requests, failed, lost, web, writers, isBack } = await killed(
      subject,
      own,
      join(root, "test/fixtures"),
    );
    const after = `${web + writers} of ${WEB + WRITERS}`;
    const cells = [
      `${alive} of ${WEB + WRITERS}`,
      `${failed} of ${requests}`,
      String(lost),
      isBack ? after : `${after}, unsupervised`,
    ];
    rows.push({ name, cells });
  }
  return table(
    "kill -9 of the supervisor under load, and its new start 6 s later",
    ["workers alive", "requests failed", "lines lost", "workers after the new start"],
    rows,
  );
}
