/** An agent with `[fleet]` looks for its fleet in the background; a plain single host pays nothing for it. */
import type { Clock } from "@circus-cluster/proto";
import type { AgentView, Dispatch } from "../commands/agent-view.ts";
import type { Outbox } from "../events/outbox.ts";
import type { FleetDoor } from "./door.ts";

/**
 * @param place null: it is in no fleet
 * @throws Error with one line where the credentials or the state directory cannot be used
 */
export async function joinFleet(
  agent: AgentView,
  dispatch: Dispatch,
  place: { readonly outbox: Outbox; readonly stateDir: string } | null,
  clock: Clock,
): Promise<FleetDoor | null> {
  const { fleet: config } = agent.config;
  if (config === null || place === null) return null;
  const { startFleetDoor } = await import("./door.ts");
  const { outbox, stateDir } = place;
  const { bus, log } = agent;
  const [snapshot, usage] = [() => agent.snapshot(), () => agent.usage()];
  return startFleetDoor({ config, stateDir, dispatch, snapshot, usage, outbox, bus, log, clock });
}
