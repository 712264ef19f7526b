/** What a person types to see fewer hosts: `web`, `role=web`, `zone!=a`, `is:bad`; all of them must hold. Pure. */
import { NO_TROUBLE, toneOfHost, troubleOf } from "./judge.ts";
import type { HostView } from "./model.ts";

export function matcher(text: string): (host: HostView) => boolean {
  const words = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== "")
    .map((word) => matcherOfWord(word));
  return (host) => words.every((matches) => matches(host));
}

function matcherOfWord(word: string): (host: HostView) => boolean {
  if (word.startsWith("is:")) {
    const wanted = word.slice(3);
    return (host) => host.presence === wanted || toneOfHost(host) === wanted || (wanted === "wrong" && isWrong(host));
  }
  const [, key, sign, value] = /^([^=:!]+)(!=|=|:)(.*)$/.exec(word) ?? [];
  if (key !== undefined) {
    return (host) => {
      const label = Object.entries(host.info?.labels ?? {}).find(([name]) => name.toLowerCase() === key)?.[1];
      return (label?.toLowerCase() === value) === (sign !== "!=");
    };
  }
  return (host) =>
    host.host.toLowerCase().includes(word) || [...host.watchers.keys()].some((name) => name.toLowerCase() === word);
}

export function isWrong(host: HostView): boolean {
  return troubleOf(host) < NO_TROUBLE;
}
