/** How a watcher's processes are made: argv, descriptors, credentials (reference §2.9, §3.3). */
import { SPAWN_ID } from "../adopt/look.ts";
import { ownSocketNames } from "../config/own-sockets.ts";
import type { WatcherConfig } from "../config/types.ts";
import { socketNames } from "../config/variables.ts";
import type { WorkerJournal } from "../journal/worker-journal.ts";
import type { Outputs, ProcessOutputs } from "../output/outputs.ts";
import { FIRST_FD } from "../process/activation.ts";
import { buildArgv } from "../process/argv.ts";
import { signalNumber } from "../process/signals.ts";
import { type SpawnSpec, spawnProcess } from "../process/spawn.ts";
import { type BoundSocket, SocketError } from "../sockets/bind.ts";
import type { SocketRegistry } from "../sockets/registry.ts";
import { close, type ResourceLimit } from "../sockets/syscalls.ts";
import type { WatcherDeps } from "../watcher/deps.ts";
import { credentialsOf, environmentOf } from "./launch.ts";
import { spawnLookup } from "./spawn-variables.ts";

/**
 * @param nofile the descriptor limit that processes get; null: the agent's own
 * @param journal hears of each process before and after its fork; null: nobody is to adopt them
 * @param start makes the process
 */
export function createSpawner(
  sockets: SocketRegistry,
  outputs: Outputs,
  nofile: ResourceLimit | null,
  journal: Pick<WorkerJournal, "intend" | "born"> | null = null,
  start: typeof spawnProcess = spawnProcess,
): WatcherDeps["spawn"] {
  return ({ config, wid }, onExit) => {
    const credentials = credentialsOf(config);
    if ("reason" in credentials) return credentials;
    const env = environmentOf(config);
    if (!env.ok) return env;
    const own: BoundSocket[] = [];
    let captured: ProcessOutputs | null = null;
    try {
      const handedOver = config.socketActivation === null ? null : handedOverNames(sockets, config);
      own.push(...openOwn(sockets, handedOver ?? namedInCommand(config)));
      const fds = new Map(sockets.all().map(({ config: { name }, fd }) => [name, fd]));
      for (const {
        config: { name },
        fd,
      } of own)
        fds.set(name, fd);
      const activation = handedOver?.flatMap((name) => activated(name, fds.get(name))) ?? null;
      activation?.forEach(({ name }, i) => fds.set(name, FIRST_FD + i));
      const lookup = spawnLookup(config, wid, (name) => fds.get(name));
      const { cmd, args, shell, shellArgs } = config;
      const argv = buildArgv({ cmd, args, shell, shellArgs, wid, lookup });
      if (!argv.ok) return argv;
      const prepared = outputs.prepare(config, wid);
      if (!prepared.ok) return prepared;
      captured = prepared.outputs;
      const { stdout, stderr, exited, fifos } = captured;
      const id = journal?.intend(config.name, wid, config.env["NOTIFY_SOCKET"] ?? null, fifos) ?? null;
      const spec: SpawnSpec = {
        argv: argv.words,
        executable: config.executable,
        env: id === null ? env.env : { ...env.env, [SPAWN_ID]: id },
        cwd: config.workingDir,
        ...credentials,
        rlimits: config.rlimits,
        stdin: stdinOf(sockets, config),
        stdout,
        stderr,
        activation,
        fds: config.useSockets && activation === null ? [...fds.values()] : [],
        nofile,
      };
      const result = start(spec, ({ code, signal }) => {
        exited(); // first its last words, then its end
        onExit({ code, signal: signalNumber(signal) });
      });
      if (result.ok) {
        journal?.born(config.name, wid, result.pid, result.startTicks);
        captured.begin(result.pid);
        captured = null;
      }
      return result;
    } catch (error) {
      if (error instanceof SocketError) return { ok: false, reason: error.message };
      throw error;
    } finally {
      captured?.abandon();
      for (const { fd } of own) close(fd); // the process has its own by now
    }
  };
}

function activated(name: string, fd: number | undefined): readonly { readonly name: string; readonly fd: number }[] {
  return fd === undefined ? [] : [{ name, fd }];
}

/** Sockets that `socket_activation` puts from descriptor 3 on, in their order. */
function handedOverNames(sockets: SocketRegistry, config: WatcherConfig): readonly string[] {
  return ownSocketNames(config, [...sockets.all()].map((socket) => socket.config.name).sort());
}

function namedInCommand({ cmd, args }: WatcherConfig): readonly string[] {
  const texts = [cmd, ...(typeof args === "string" ? [args] : args)];
  return [...new Set(texts.flatMap(socketNames))];
}

/** `so_reuseport`: a socket of its own for this process, for each of these that wants it so. */
function openOwn(sockets: SocketRegistry, names: readonly string[]): BoundSocket[] {
  const opened: BoundSocket[] = [];
  try {
    for (const name of names) {
      const socket = sockets.get(name);
      if (socket?.config.soReuseport === true) opened.push(sockets.openForSpawn(socket));
    }
    return opened;
  } catch (error) {
    for (const { fd } of opened) close(fd);
    throw error;
  }
}

function stdinOf(sockets: SocketRegistry, config: WatcherConfig): SpawnSpec["stdin"] {
  if (config.stdinSocket === null) return config.closeChildStdin ? "ignore" : "inherit";
  const socket = sockets.get(config.stdinSocket);
  if (socket === undefined) throw new SocketError(`stdin_socket: no socket '${config.stdinSocket}'`);
  return socket.fd;
}
