/**
 * What has to be there before the first worker: state directory, what an agent before us left, command and event
 * endpoints, listening sockets, outbox. All of it or nothing (D15): what was opened before a failure is closed again.
 */
import { CircusError, type Clock, type HostName, type Logger, parseHostName } from "@circus-cluster/proto";
import type { Ended } from "../adopt/ending.ts";
import { Inheritance } from "../adopt/inheritance.ts";
import type { AgentConfig } from "../config/types.ts";
import { Discovery } from "../doors/discovery.ts";
import type { MetricsDoor } from "../doors/metrics.ts";
import { ZmqDoor } from "../doors/zmq.ts";
import { ZmqPub } from "../doors/zmq-pub.ts";
import { ZmqStats } from "../doors/zmq-stats.ts";
import type { Outbox } from "../events/outbox.ts";
import type { HandedSocket } from "../sockets/handed.ts";
import { ReadableSockets } from "../sockets/readable.ts";
import { removeOwnFile, SocketRegistry } from "../sockets/registry.ts";
import { openStateDir, type StateDir } from "../state-dir.ts";
import type { ServiceManager } from "../systemd/manager.ts";

/** The agent's place in its fleet. */
interface FleetPlace {
  readonly host: HostName;
  readonly outbox: Outbox;
  readonly stateDir: string;
}

export interface Foundation extends AsyncDisposable {
  readonly door: ZmqDoor;
  readonly pub: ZmqPub;
  /** Null where no statistics are to be published. */
  readonly stats: ZmqStats | null;
  /** Null where nobody is to scrape it. */
  readonly metrics: MetricsDoor | null;
  readonly sockets: SocketRegistry;
  /** Null where nothing is kept. */
  readonly stateDir: string | null;
  /** Null without `[fleet]`. */
  readonly fleet: FleetPlace | null;
  readonly readable: ReadableSockets;
  readonly inheritance: Inheritance;
  /** Processes of an agent before us that have been ended. */
  readonly ended: readonly Ended[];
  /** Processes go on serving the sockets: their files stay when all is closed. */
  leaveSockets(): void;
  /** Closes all before anything was started; whom an agent before us left goes on serving the sockets. */
  abandon(): Promise<void>;
}

/** How an agent takes the place of another one. */
export interface Succession {
  /** Keeps its state in the usual place where the file names none. @default false: then it keeps nothing */
  readonly keepsState?: boolean;
  /** `--no-adopt`. @default false */
  readonly isAdoptionRefused?: boolean;
  /** Listening sockets that are open already; those that no section wants are closed. @default none */
  readonly handed?: readonly HandedSocket[];
  /** Keeps the sockets, and is told of reloads and of the end. @default nobody */
  readonly manager?: ServiceManager | null;
}

/** @throws CircusError or SocketError with the one line that says what is in the way. */
export async function layFoundation(
  config: AgentConfig,
  succession: Succession,
  clock: Clock,
  log: Logger,
): Promise<Foundation> {
  const { circus } = config;
  let door: ZmqDoor | null = null;
  let pub: ZmqPub | null = null;
  let stats: ZmqStats | null = null;
  let metrics: MetricsDoor | null = null;
  let sockets: SocketRegistry | null = null;
  let fleet: FleetPlace | null = null;
  let stateDir: StateDir | null = null;
  let discovery: Discovery | null = null;
  let inheritance: Inheritance | null = null;
  let isLeft = false;
  const readable = new ReadableSockets(log);
  const close = async (): Promise<void> => {
    discovery?.[Symbol.dispose]();
    await door?.close();
    await pub?.close();
    await stats?.close();
    await metrics?.close();
    await fleet?.outbox.close();
    sockets?.close(isLeft);
    readable[Symbol.dispose]();
    inheritance?.[Symbol.dispose]();
    stateDir?.[Symbol.dispose]();
  };
  const abandon = async (): Promise<void> => {
    isLeft = (inheritance?.plan.heirs.size ?? 0) > 0;
    await close();
  };
  try {
    // What another circusd on the same file has comes first: its name makes the clearest message.
    stateDir = openStateDir(config, succession.keepsState ?? false, log);
    inheritance = Inheritance.take({
      ...{ config, stateDir: stateDir?.path ?? null, readable, clock, log },
      isRefused: succession.isAdoptionRefused ?? false,
      handed: succession.handed ?? [],
    });
    door = await ZmqDoor.bind(circus.endpoint, circus.endpointOwner, log);
    pub = await ZmqPub.bind(circus.pubsubEndpoint, circus.endpointOwner, log);
    if (circus.statsd) stats = await ZmqStats.bind(circus.statsEndpoint, circus.endpointOwner, log);
    metrics = await openMetrics(config, log);
    const ended = await inheritance.settle();
    sockets = await openSockets(inheritance, succession.manager ?? null);
    fleet = stateDir === null ? null : await openOutbox(config, stateDir.path, clock, log);
    discovery = await Discovery.open(circus.multicastEndpoint, circus.endpoint, log);
    return {
      ...{ door, pub, stats, metrics, sockets, fleet, readable, inheritance, ended },
      stateDir: stateDir?.path ?? null,
      leaveSockets: () => {
        isLeft = true;
      },
      abandon,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await abandon();
    throw error;
  }
}

/** Those that somebody still has come from there; the others are bound, in place of what a killed agent left. */
async function openSockets(inheritance: Inheritance, manager: ServiceManager | null): Promise<SocketRegistry> {
  for (const { path, inode } of inheritance.staleFiles()) removeOwnFile(path, inode);
  const forget = async (closed: readonly HandedSocket[]) => await manager?.forget(closed);
  const registry = await SocketRegistry.open(inheritance.plan.base.sockets, inheritance.takeSockets(), forget);
  inheritance.journal.sockets(registry.memories());
  return registry;
}

async function openMetrics({ circus }: AgentConfig, log: Logger): Promise<MetricsDoor | null> {
  if (circus.metrics === null) return null;
  const { MetricsDoor } = await import("../doors/metrics.ts");
  return await MetricsDoor.bind(circus.metrics, log);
}

/** Loaded by need: with it comes the NATS client, for which a plain single host should not pay. */
async function openOutbox(
  config: AgentConfig,
  stateDir: string,
  clock: Clock,
  log: Logger,
): Promise<FleetPlace | null> {
  if (config.fleet === null) return null;
  const host = parseHostName(config.fleet.host);
  if (host === null) throw new CircusError("message", `[fleet] host '${config.fleet.host}' is no host name`);
  const { Outbox } = await import("../events/outbox.ts");
  const outbox = Outbox.open({ stateDir, fleet: config.fleet.fleet, host, clock, log });
  return { host, outbox, stateDir };
}
