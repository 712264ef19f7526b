/**
 * The floor: how many hosts of a watcher are healthy, over all that have it, and may one more be disturbed? Pure.
 * A host counts as healthy only if it is seen to be, and no command of any rollout is under way there.
 */
import { isWhole } from "./gate.ts";
import type { RolloutCore, Sight, Work } from "./state.ts";

/**
 * Its processes may be going at this moment, whatever the picture says. Where a host was given up without a result the
 * command may still come to it, until the picture shows what it was for.
 */
function isDisturbed({ state, outcome, generationBefore, drain }: Work, sight: Sight | null | undefined): boolean {
  if (drain?.isOut === true) return true; // healthy or not, it serves nobody
  if (state === "sent" || state === "accepted" || state === "restarted") return true;
  const isGivenUp = state === "failed" || state === "skipped";
  if (!isGivenUp || (outcome !== "accepted" && outcome !== "not delivered")) return false;
  return (sight?.view?.generation ?? 0) <= (generationBefore ?? 0);
}

function isSeenHealthy(sight: Sight | null | undefined): boolean {
  return sight?.isLost === false && sight.view !== null && isWhole(sight.view);
}

function isHealthyAt(core: RolloutCore, at: number): boolean {
  const work = core.steps[at];
  const host = work?.host ?? core.others[at - core.steps.length] ?? "";
  return (
    isSeenHealthy(core.sights[at]) &&
    !core.busy.has(host) &&
    (work === undefined || !isDisturbed(work, core.sights[at]))
  );
}

function isHealthy(core: RolloutCore, host: string): boolean {
  const at = core.index.get(host);
  return at !== undefined && isHealthyAt(core, at);
}

function healthyCount(core: RolloutCore): number {
  let count = 0;
  for (let at = 0; at < core.sights.length; at++) if (isHealthyAt(core, at)) count++;
  return count;
}

/**
 * What keeps a host from being commanded as things are; null: nothing. One that is ill already takes nothing away.
 * The count is made once for all hosts that are asked about.
 */
export function obstacles(core: RolloutCore): (host: string) => string | null {
  let isRoom: boolean | null = null;
  let text: string | null = null;
  return (host) => {
    if (core.busy.has(host)) return `waits for ${host}: another rollout is at work there`;
    if (core.floor === 0 || !isHealthy(core, host)) return null;
    isRoom ??= healthyCount(core) - 1 >= core.floor;
    if (isRoom) return null;
    text ??= shortage(core);
    return text;
  };
}

/** The same hosts, those that are not healthy before the others: their turn takes nothing away. */
export function illFirst(core: RolloutCore, hosts: readonly string[]): readonly string[] {
  const ill = hosts.filter((host) => !isHealthy(core, host));
  return [...ill, ...hosts.filter((host) => !ill.includes(host))];
}

const NAMED_MAX = 5;

/** `waits for healthy hosts: 7 of 10 are, 7 have to stay so; not healthy: web1 (lost), web2 (failed)` */
function shortage(core: RolloutCore): string {
  const ill: string[] = [];
  for (let at = 0; at < core.sights.length; at++) {
    if (isHealthyAt(core, at)) continue;
    const host = core.steps[at]?.host ?? core.others[at - core.steps.length] ?? "";
    const sight = core.sights[at] ?? null;
    const why = core.busy.has(host)
      ? "another rollout is there"
      : sight?.isLost === true
        ? "lost"
        : isSeenHealthy(sight)
          ? core.steps[at]?.drain?.isOut === true
            ? "out of its balancer"
            : "its command may still be at work"
          : (sight?.view?.state ?? "not seen yet");
    ill.push(`${host} (${why})`);
  }
  const more = ill.length > NAMED_MAX ? ` and ${ill.length - NAMED_MAX} more` : "";
  const total = core.sights.length;
  return `waits for healthy hosts: ${total - ill.length} of ${total} are, ${core.floor} have to stay so; not healthy: ${ill.slice(0, NAMED_MAX).join(", ")}${more}`;
}
