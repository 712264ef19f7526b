/** What a person types to see fewer hosts: `web`, `role=web`, `zone!=a`, `is:bad`; all of them must hold. Pure. */
import { toneOfHost } from "./judge.ts";
import type { HostView } from "./model.ts";

export function matches(host: HostView, text: string): boolean {
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== "")
    .every((word) => matchesWord(host, word.toLowerCase()));
}

function matchesWord(host: HostView, word: string): boolean {
  if (word.startsWith("is:")) {
    const wanted = word.slice(3);
    return host.presence === wanted || toneOfHost(host) === wanted || (wanted === "wrong" && isWrong(host));
  }
  const [, key, sign, value] = /^([^=:!]+)(!=|=|:)(.*)$/.exec(word) ?? [];
  if (key !== undefined) {
    const label = Object.entries(host.info?.labels ?? {}).find(([name]) => name.toLowerCase() === key)?.[1];
    return (label?.toLowerCase() === value) === (sign !== "!=");
  }
  return (
    host.host.toLowerCase().includes(word) || [...host.watchers.keys()].some((name) => name.toLowerCase() === word)
  );
}

export function isWrong(host: HostView): boolean {
  return ["bad", "warn", "unknown"].includes(toneOfHost(host));
}
