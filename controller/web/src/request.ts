/** The form for a rollout → the request that the controller takes, or what is wrong with it. Pure. */
import { parseBatch, parseConditions, parseShare, type RolloutSelection } from "@circus-cluster/proto";

export interface Form {
  readonly command: string;
  readonly watcher: string;
  /** Empty or `all`; names; or conditions on labels. */
  readonly hosts: string;
  readonly batch: string;
  readonly canary: string;
  /** Seconds. */
  readonly soak: string;
  readonly maxFail: string;
}

/** @returns the request, or one line for people */
export function requestOf(form: Form): object | string {
  const batch = parseBatch(form.batch);
  if (batch === null) return "hosts in a wave: a number or a percentage, or a list of them";
  const maxFail = parseShare(form.maxFail);
  if (maxFail === null) return "hosts that may fail: a number or a percentage";
  const scope = scopeOf(form.hosts);
  if (typeof scope === "string") return scope;
  const options = { batch, maxFail, canary: Number(form.canary), soakMs: Math.round(Number(form.soak) * 1000) };
  return { command: form.command, watcher: form.watcher, ...scope, options };
}

function scopeOf(text: string): RolloutSelection | string {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  if (words.length === 0 || (words.length === 1 && words[0] === "all")) return { hosts: null, where: null };
  if (!words.some((word) => word.includes("="))) return { hosts: words, where: null };
  const where = parseConditions(words.join());
  return where === null ? "hosts: names, or conditions on labels, not both" : { hosts: null, where };
}
