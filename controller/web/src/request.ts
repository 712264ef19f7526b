/** The form for a rollout → the request that the controller takes, or what is wrong with it. Pure. */

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

interface Condition {
  readonly key: string;
  readonly isEqual: boolean;
  readonly value: string;
}

/** @returns the request, or one line for people */
export function requestOf(form: Form): object | string {
  const batch = form.batch.split(",").map(shareOf);
  if (batch.some((share) => share === null)) return "hosts in a wave: a number or a percentage, or a list of them";
  const maxFail = shareOf(form.maxFail);
  if (maxFail === null) return "hosts that may fail: a number or a percentage";
  const scope = scopeOf(form.hosts);
  if (typeof scope === "string") return scope;
  const options = { batch, maxFail, canary: Number(form.canary), soakMs: Math.round(Number(form.soak) * 1000) };
  return { command: form.command, watcher: form.watcher, ...scope, options };
}

function scopeOf(text: string): { hosts: readonly string[] | null; where: readonly Condition[] | null } | string {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  if (words.length === 0 || (words.length === 1 && words[0] === "all")) return { hosts: null, where: null };
  const conditions = words.map((word) => /^([^=!]+)(!=|=)([^=]+)$/.exec(word));
  if (conditions.every((match) => match === null)) return { hosts: words, where: null };
  if (conditions.includes(null)) return "hosts: names, or conditions on labels, not both";
  const where = conditions.map((match) => ({
    key: match?.[1] ?? "",
    isEqual: match?.[2] === "=",
    value: match?.[3] ?? "",
  }));
  return { hosts: null, where };
}

function shareOf(text: string): object | null {
  const [, n, percent] = /^(\d{1,6})(%?)$/.exec(text.trim()) ?? [];
  if (n === undefined) return null;
  return percent === "%" ? { kind: "percent", p: Number(n) } : { kind: "count", n: Number(n) };
}
