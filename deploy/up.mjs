// `npm run up`: from a clean clone to a fleet on this machine that can be looked at: a nats-server, a controller, and
// three agents with the WSGI example. All is kept in .up/; `npm run down` ends it.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { delimiter, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { installModules, linkPrograms } from "./install.mjs";
import { example, root, upDir } from "./lib/paths.mjs";
import { choosePorts } from "./lib/ports.mjs";
import { forgetRecord, isAlive, readRecord, start, stopAll, writeRecord } from "./lib/processes.mjs";

const HOSTS = ["web1", "web2", "web3"];
const READY_MS = 60_000;
const bin = join(root, "node_modules/.bin");
const creds = (name) => join(upDir, "fleet/creds", `${name}.creds`);
const say = (text) => console.log(text);

/** A failure whose text is all that the user needs. */
class Trouble extends Error {
  constructor(message, log = null) {
    super(message);
    this.log = log;
  }
}

// --- what must be there first --------------------------------------------------------------------------------------

function prepare() {
  run("bash", ["deploy/setup.sh"]);
  installModules();
  run("npm", ["run", "--silent", "build"]);
  linkPrograms();
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, env: environment(), stdio: ["ignore", 2, 2] });
  if (result.status !== 0) throw new Trouble(`${command} ${args.join(" ")} failed`);
}

/** Ours, with our programs and the example's launcher first, and what setup.sh may have unpacked. */
function environment() {
  const env = { ...process.env };
  delete env.NODE_EXTRA_CA_CERTS; // costs each start of Node 80 ms
  for (const name of Object.keys(env)) if (name.startsWith("CIRCUSCTL_") || name.startsWith("npm_")) delete env[name];
  const unpacked = execFileSync("bash", [join(root, "deploy/setup.sh"), "--env"], { encoding: "utf8" }).trim();
  if (unpacked !== "") {
    const names = ["PATH", "PYTHONPATH", "LD_LIBRARY_PATH"];
    const script = `. "$1"; printf '%s\\0' ${names.map((name) => `"\${${name}:-}"`).join(" ")}`;
    const values = execFileSync("bash", ["-c", script, "bash", unpacked], { encoding: "utf8", env }).split("\0");
    names.forEach((name, index) => {
      env[name] = values[index];
    });
  }
  // Debian keeps nats-server in sbin, which an ordinary user's PATH lacks.
  env.PATH = [join(example, "bin"), bin, env.PATH, "/usr/sbin", "/sbin"].join(delimiter);
  return env;
}

// --- files -----------------------------------------------------------------------------------------------------------

const WISHES = {
  nats: 4222,
  web: 8090,
  ...Object.fromEntries(
    HOSTS.flatMap((host, index) => [
      [`${host} http`, 8001 + index],
      [`${host} endpoint`, 5555 + 10 * index],
      [`${host} pubsub`, 5556 + 10 * index],
      [`${host} stats`, 5557 + 10 * index],
    ]),
  ),
};

/** The usual ports or the next free ones; the nats-server keeps that of the last time, if it can. */
async function ports() {
  const file = join(upDir, "ports.json");
  const last = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const wishes = { ...WISHES, nats: last.nats ?? WISHES.nats };
  const chosen = await choosePorts(wishes);
  for (const [name, port] of Object.entries(chosen)) {
    if (port !== wishes[name]) say(`port ${wishes[name]} is taken: ${name} gets ${port}`);
  }
  mkdirSync(upDir, { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify(chosen, null, 2)}\n`);
  return { chosen, lastNats: last.nats };
}

/** Keys, credentials and the server's configuration: made once, so that history stays. */
function makeFleet(port, lastPort) {
  const dir = join(upDir, "fleet");
  const config = join(dir, "nats-server.conf");
  const files = [config, join(dir, "fleet.json")];
  if (files.every((file) => existsSync(file)) && existsSync(creds("operator-admin"))) {
    for (const file of files) {
      const text = readFileSync(file, "utf8").replaceAll(`127.0.0.1:${lastPort}`, `127.0.0.1:${port}`);
      writeFileSync(file, text, { mode: 0o600 });
    }
    return;
  }
  for (const name of ["fleet", "controller", "hosts"]) rmSync(join(upDir, name), { recursive: true, force: true });
  const args = ["fleet", "init", "--dir", dir, "--fleet", "main", "--hosts", HOSTS.join(","), "--operators", "admin"];
  const result = spawnSync(join(bin, "circusctl"), [...args, "--listen", `127.0.0.1:${port}`, "--no-tls"], {
    env: environment(),
    encoding: "utf8",
  });
  if (result.status !== 0) {
    rmSync(dir, { recursive: true, force: true });
    throw new Trouble(`circusctl ${args.join(" ")} failed: ${result.error?.message ?? result.stderr.trim()}`);
  }
}

function writeIni(file, sections) {
  const text = Object.entries(sections)
    .map(([name, keys]) => [`[${name}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${value}`)].join("\n"))
    .join("\n\n");
  writeFileSync(file, `; written by npm run up\n${text}\n`, { mode: 0o600 });
  return file;
}

function writeHost(host, chosen, nats) {
  const dir = join(upDir, "hosts", host);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return writeIni(join(dir, "circus.ini"), {
    circus: {
      check_delay: 5,
      endpoint: `tcp://127.0.0.1:${chosen[`${host} endpoint`]}`,
      pubsub_endpoint: `tcp://127.0.0.1:${chosen[`${host} pubsub`]}`,
      stats_endpoint: `tcp://127.0.0.1:${chosen[`${host} stats`]}`,
      state_dir: join(dir, "state"),
    },
    fleet: { nats_url: nats, fleet: "main", host, credentials: creds(`agent-${host}`) },
    "watcher:myworker": {
      cmd: "chaussette --fd $(circus.sockets.myworker) --backend gevent app.app",
      working_dir: example,
      use_sockets: "True",
      numprocesses: 2,
      copy_env: "True",
      copy_path: "True",
    },
    "socket:myworker": { host: "127.0.0.1", port: chosen[`${host} http`] },
  });
}

/** The token of the web page's first user: made once, and kept beside the rest. */
const webTokenFile = join(upDir, "web-token");

function makeWebToken(controllerIni) {
  if (existsSync(webTokenFile)) return;
  rmSync(join(upDir, "tokens"), { force: true });
  const args = ["token", "--name", "admin", "--role", "operator", controllerIni];
  const { status, stdout, stderr } = spawnSync(join(bin, "circus-controller"), args, {
    env: environment(),
    encoding: "utf8",
  });
  if (status !== 0) throw new Trouble(`circus-controller ${args.join(" ")} failed: ${stderr.trim()}`);
  writeFileSync(webTokenFile, stdout, { mode: 0o600 });
}

/** Where the web page is; nothing of a fleet that an older checkout started, which has none. */
function webPage(record) {
  if (record.ports.web === undefined || !existsSync(webTokenFile)) return "";
  return `
Or in a browser: http://127.0.0.1:${record.ports.web}/
  token: ${readFileSync(webTokenFile, "utf8").trim()}`;
}

function writeController(nats, chosen) {
  return writeIni(join(upDir, "controller.ini"), {
    controller: {
      nats_url: nats,
      fleet: "main",
      credentials: creds("controller"),
      state_dir: join(upDir, "controller"),
      http: `127.0.0.1:${chosen.web}`,
      http_tokens: "tokens",
    },
  });
}

function writeEnv(nats) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [
    `export CIRCUSCTL_NATS=${quote(nats)} CIRCUSCTL_CREDS=${quote(creds("operator-admin"))}`,
    `case ":$PATH:" in *:${quote(bin)}:*) ;; *) export PATH=${quote(bin)}:"$PATH" ;; esac`,
  ];
  writeFileSync(join(upDir, "env"), `${lines.join("\n")}\n`, { mode: 0o600 });
}

// --- starting ----------------------------------------------------------------------------------------------------------

let interrupted = false; // then what was started is stopped again

async function startFleet() {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(name, () => (interrupted = true));
  const { chosen, lastNats } = await ports();
  const nats = `nats://127.0.0.1:${chosen.nats}`;
  makeFleet(chosen.nats, lastNats);
  writeEnv(nats);
  const env = environment();
  const record = { ports: chosen, nats, processes: [] };
  const launch = async (kind, name, command, args, cwd) => {
    const log = join(upDir, "logs", `${name}.log`);
    rmSync(log, { force: true });
    const one = await start(name, command, args, { log, cwd, env }).catch((error) => {
      throw new Trouble(error.message, log);
    });
    record.processes.push({ ...one, kind });
    writeRecord(record);
    return one;
  };
  try {
    const server = await launch(
      "nats",
      "nats-server",
      "nats-server",
      ["-c", join(upDir, "fleet/nats-server.conf")],
      upDir,
    );
    await until("the nats-server's port", [server], () => answers(chosen.nats));
    const controllerIni = writeController(nats, chosen);
    makeWebToken(controllerIni);
    await launch("controller", "controller", join(bin, "circus-controller"), [controllerIni], upDir);
    for (const host of HOSTS) {
      await launch("agent", host, join(bin, "circusd"), [writeHost(host, chosen, nats)], example);
    }
    await until("all three hosts online and active", record.processes, () => isUp(record));
    await until("the application's answers", record.processes, async () => {
      for (const host of HOSTS) await get(chosen[`${host} http`]);
      return true;
    });
  } catch (error) {
    // Whose fault: the one that ended, if one did.
    const culprit = record.processes.find((one) => !isAlive(one));
    await stopAll(record.processes, () => undefined);
    forgetRecord();
    throw new Trouble(error.message, error.log ?? culprit?.log ?? null);
  }
  return record;
}

/** Asks again and again until it is true; ends at once when one of the processes is gone. */
async function until(what, processes, condition) {
  const deadline = Date.now() + READY_MS;
  let last = "";
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = `: ${error.message}`;
    }
    if (interrupted) throw new Trouble("interrupted");
    const gone = processes.find((one) => !isAlive(one));
    if (gone !== undefined) throw new Trouble(`${gone.name} ended while waiting for ${what}`, gone.log);
    if (Date.now() > deadline) throw new Trouble(`waited ${READY_MS / 1000} s in vain for ${what}${last}`);
    await delay(100);
  }
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function get(port) {
  const signal = AbortSignal.timeout(5000);
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" }, signal });
  if (response.status !== 200) throw new Error(`port ${port} answers ${response.status}`);
  return { text: (await response.text()).trim(), worker: response.headers.get("x-worker") };
}

function circusctl(args, record, { timeout = 10_000, stdio = "pipe" } = {}) {
  const env = { ...environment(), CIRCUSCTL_NATS: record.nats, CIRCUSCTL_CREDS: creds("operator-admin") };
  return spawnSync(join(bin, "circusctl"), args, { env, encoding: "utf8", timeout, stdio });
}

function isUp(record) {
  const result = circusctl(
    ["--nats", record.nats, "--creds", creds("operator-admin"), "--all", "status", "--json"],
    record,
  );
  if (result.status !== 0) throw new Error(result.error?.message ?? result.stderr.trim());
  const hosts = new Map(JSON.parse(result.stdout).hosts.map((one) => [one.host, one]));
  return HOSTS.every((name) => {
    const host = hosts.get(name);
    return (
      host?.presence === "online" && host.watchers.length > 0 && host.watchers.every(({ state }) => state === "active")
    );
  });
}

// --- showing -----------------------------------------------------------------------------------------------------------

async function show(record) {
  const heading = (text) => say(`\n$ ${text}`);
  for (const host of HOSTS) {
    const port = record.ports[`${host} http`];
    heading(`curl http://127.0.0.1:${port}/                   # ${host}`);
    const { text, worker } = await get(port);
    say(`${text}                                (X-Worker: ${worker})`);
  }
  const endpoint = `tcp://127.0.0.1:${record.ports["web1 endpoint"]}`;
  const local = record.ports["web1 endpoint"] === 5555 ? [] : ["--endpoint", endpoint];
  for (const args of [[...local, "status"], ["hosts"], ["--all", "status"]]) {
    heading(`circusctl ${args.join(" ")}`);
    const result = circusctl(args, record);
    say(`${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`.trimEnd());
    if (result.status !== 0) throw new Trouble(`circusctl ${args.join(" ")} ended with ${result.status}`);
  }
  const here = relative(process.cwd(), upDir) || ".";
  say(
    `
It is up: nats-server at ${record.nats}, a controller, agents ${HOSTS.join(", ")}; logs in ${here}/logs. Next:

  source ${here}/env
  circusctl --all restart myworker             # rolls through the fleet in waves
  circusctl --host web2 stop myworker
  circusctl --all history myworker --since 1h
  circusctl --all history myworker --at ${new Date().toTimeString().slice(0, 5)}
  circusctl rollout list
  npm run down
${webPage(record)}`.trimEnd(),
  );
}

function tail(log) {
  if (log === null || !existsSync(log)) return "";
  const lines = readFileSync(log, "utf8").trimEnd().split("\n").slice(-15);
  return `\n--- the end of ${relative(process.cwd(), log)} ---\n${lines.join("\n")}`;
}

async function main() {
  const earlier = readRecord();
  if (earlier !== null && earlier.processes.length === HOSTS.length + 2 && earlier.processes.every(isAlive)) {
    say("It is up already.");
    await show(earlier);
    return;
  }
  const left = (earlier?.processes ?? []).filter(isAlive);
  await stopAll(left, (text) => say(`left of an earlier fleet: ${text}`));
  forgetRecord();
  prepare();
  await show(await startFleet());
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  console.error(`up: ${error.message}${tail(error.log)}`);
  process.exit(1);
}
