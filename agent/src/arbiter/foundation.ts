/**
 * What has to be there before the first worker: state directory, command and event endpoints, listening
 * sockets, outbox. All of it or nothing (D15): what was opened before a failure is closed again.
 */
import { CircusError, type Clock, type HostName, type Logger, parseHostName } from "@circus-cluster/proto";
import type { AgentConfig } from "../config/types.ts";
import { Discovery } from "../doors/discovery.ts";
import type { MetricsDoor } from "../doors/metrics.ts";
import { ZmqDoor } from "../doors/zmq.ts";
import { ZmqPub } from "../doors/zmq-pub.ts";
import { ZmqStats } from "../doors/zmq-stats.ts";
import type { Outbox } from "../events/outbox.ts";
import type { HandedSocket } from "../sockets/handed.ts";
import { SocketRegistry } from "../sockets/registry.ts";
import { StateDir, stateDirPath } from "../state-dir.ts";

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
}

/** Listening sockets that are open already, kept for this start. */
export interface KeptSockets {
  readonly handed: readonly HandedSocket[];
  /** Told of those that no section of the file wants, which are closed; settles when their addresses are free. */
  readonly forget: (closed: readonly HandedSocket[]) => Promise<void>;
}

/** @throws CircusError or SocketError with the one line that says what is in the way. */
export async function layFoundation(
  config: AgentConfig,
  kept: KeptSockets,
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
  const close = async (): Promise<void> => {
    discovery?.[Symbol.dispose]();
    await door?.close();
    await pub?.close();
    await stats?.close();
    await metrics?.close();
    await fleet?.outbox.close();
    sockets?.close();
    stateDir?.[Symbol.dispose]();
  };
  try {
    // What another circusd on the same file has comes first: its name makes the clearest message.
    stateDir = openStateDir(config);
    door = await ZmqDoor.bind(circus.endpoint, circus.endpointOwner, log);
    pub = await ZmqPub.bind(circus.pubsubEndpoint, circus.endpointOwner, log);
    if (circus.statsd) stats = await ZmqStats.bind(circus.statsEndpoint, circus.endpointOwner, log);
    metrics = await openMetrics(config, log);
    sockets = await SocketRegistry.open(config.sockets, kept.handed, kept.forget);
    fleet = stateDir === null ? null : await openOutbox(config, stateDir.path, clock, log);
    discovery = await Discovery.open(circus.multicastEndpoint, circus.endpoint, log);
    return {
      door,
      pub,
      stats,
      metrics,
      sockets,
      stateDir: stateDir?.path ?? null,
      fleet,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Only where something is kept there: the fleet's outbox, or because the file names a place. */
function openStateDir(config: AgentConfig): StateDir | null {
  if (config.fleet === null && config.circus.stateDir === null) return null;
  return StateDir.open(stateDirPath(config.circus, process.env, process.getuid?.() ?? 0));
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
