/** The second connection of a controller, to the account of the lock. */
import { connectFleet, type FleetConnection } from "@circus-cluster/proto/nats";
import type { ControllerConfig } from "../config.ts";

/** Of its own, since the lock is in another account, where no agent can reach it. */
export async function connectLock(
  config: ControllerConfig,
  lock: string,
  signal: AbortSignal,
): Promise<FleetConnection> {
  const { natsUrls: servers, name, credentials, tls } = config;
  const own = credentials === null ? null : { ...credentials, seed: lock };
  return await connectFleet({ servers, name, credentials: own, tls, mode: "service", signal });
}
