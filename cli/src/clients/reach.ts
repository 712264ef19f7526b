/** The way to the agent's sockets: straight, or by ssh. */
import type { Settings } from "../settings.ts";
import type { Tunnel } from "./ssh.ts";

const STRAIGHT = { said: () => "", close: () => undefined };

/** @param endpoint as it is called where the agent is */
export async function reach(
  endpoint: string,
  { ssh, timeoutMs }: Pick<Settings, "ssh" | "timeoutMs">,
  isInTty: boolean,
): Promise<Tunnel> {
  if (ssh === null) return { kind: "open", endpoint, ...STRAIGHT };
  const { openTunnel } = await import("./ssh.ts");
  return await openTunnel(ssh, endpoint, { timeoutMs, isInTty });
}
