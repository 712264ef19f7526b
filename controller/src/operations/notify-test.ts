/** `circus-controller notify-test`: sends a message of no meaning by each rule, from this machine, at once. */
import { CircusError } from "@circus-cluster/proto";
import type { ControllerConfig } from "../config.ts";
import { deliver, placeOf } from "../notify/deliver.ts";
import { testMessage } from "../notify/message.ts";

/**
 * @param name of the rule; null: all of them
 * @returns whether all have arrived
 * @throws CircusError with one line where there is no such rule
 */
export async function notifyTest(
  { notify, fleet, name: controller }: Pick<ControllerConfig, "notify" | "fleet" | "name">,
  name: string | null,
  out: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  if (notify.length === 0) throw new CircusError("not-found", "the file has no section [notify:NAME]");
  const rules = notify.filter((rule) => name === null || rule.name === name);
  if (rules.length === 0) {
    const known = notify.map((rule) => rule.name).join(", ");
    throw new CircusError("not-found", `there is no section [notify:${name ?? ""}]; known: ${known}`);
  }
  const sent = await Promise.all(
    rules.map(async ({ name: rule, target }) => {
      const startMs = performance.now();
      const reason = await deliver(target, testMessage({ fleet, controller, rule }, Date.now()), signal);
      const ms = Math.round(performance.now() - startMs);
      out(`${rule}: ${placeOf(target)}: ${reason === null ? `delivered in ${ms} ms` : `failed: ${reason}`}`);
      return reason === null;
    }),
  );
  return sent.every(Boolean);
}
