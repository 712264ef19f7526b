/** The sections `[notify:NAME]`: whom to tell of what. */
import { nearest, parseBoolean, parseConditions, parseDuration, parseUserName } from "@circus-cluster/proto";
import { NOTIFY_KEYS, type NotifyKey } from "./keys.ts";
import { CONDITIONS, type Condition, RULE_DEFAULTS, type Rule, type Target, USUAL_CONDITIONS } from "./notify/rules.ts";

export const NOTIFY = "notify:";
const KEYS = NOTIFY_KEYS.map(({ key }) => key);
type Key = NotifyKey;

const FLAPPING_MAX = 1000;

/** One section; what is wrong is collected. */
export interface NotifySection {
  readonly name: string;
  /** Null: the key is not there. */
  readonly text: (key: Key) => string | null;
  /** Relative to the directory of the file. */
  readonly path: (key: Key) => string | null;
  readonly keys: readonly string[];
  readonly wrong: (key: string | null, text: string) => void;
}

/** Null where nobody can be told. */
export function readRule(section: NotifySection): Rule | null {
  const { text, wrong } = section;
  for (const key of section.keys) {
    if (isKey(key)) continue;
    const meant = nearest(key, KEYS);
    wrong(key, `unknown key '${key}'${meant === null ? `; known: ${KEYS.join(", ")}` : `; did you mean '${meant}'?`}`);
  }
  const name = section.name.slice(NOTIFY.length).trim();
  if (parseUserName(name) === null)
    wrong(null, `'${name}' is no name of a rule: letters, digits, '_' and '-', 1 to 64`);
  const target = readTarget(section);
  const where = text("where");
  const conditions = where === null ? null : parseConditions(where);
  if (where !== null && conditions === null) wrong("where", `'${where}' is no list such as role=web,zone!=a`);
  const watchers = wordsOf(text("watchers"));
  const rule = {
    name,
    on: readOn(section),
    where: conditions,
    watchers: watchers.length === 0 ? null : watchers,
    quietMs: readQuiet(section),
    flapping: readFlapping(section),
    tellsEnd: readTellEnd(section),
  };
  return target === null ? null : { ...rule, target };
}

function readOn({ text, wrong }: NotifySection): readonly Condition[] {
  const words = wordsOf(text("on"));
  if (words.length === 0) return USUAL_CONDITIONS;
  const on: Condition[] = [];
  for (const word of words) {
    const condition = CONDITIONS.find((one) => one === word);
    if (condition !== undefined) on.push(condition);
    else {
      const meant = nearest(word, CONDITIONS);
      const end = meant === null ? `it is one of ${CONDITIONS.join(", ")}` : `did you mean '${meant}'?`;
      wrong("on", `nothing is called '${word}'; ${end}`);
    }
  }
  return on;
}

function readTarget({ text, path, keys, wrong }: NotifySection): Target | null {
  const [webhook, line, tokenFile] = [text("webhook"), text("command"), path("webhook_token")];
  if (tokenFile !== null && webhook === null) wrong("webhook_token", "it needs 'webhook'");
  if (webhook !== null && line !== null) {
    wrong("command", "there is a 'webhook' already; a rule has one of them, so make it two rules");
    return null;
  }
  if (line !== null) return { kind: "command", line };
  if (webhook === null) {
    // A key that is not known is most likely the one that is missing.
    const isSaid = keys.some((key) => key === "webhook" || key === "command" || !isKey(key));
    if (!isSaid) wrong(null, "it has neither 'webhook' nor 'command'");
    return null;
  }
  const url = URL.canParse(webhook) ? new URL(webhook) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    // The address may be a secret, as many chats' are.
    wrong("webhook", "it is not http://… or https://…");
    return null;
  }
  if (url.username !== "" || url.password !== "") {
    wrong("webhook", "user and password do not belong in it; use 'webhook_token'");
    return null;
  }
  return { kind: "webhook", url: url.href, tokenFile };
}

function readQuiet({ text, wrong }: NotifySection): number {
  const written = text("quiet");
  if (written === null) return RULE_DEFAULTS.quietMs;
  const ms = parseDuration(written);
  if (ms === null) wrong("quiet", `'${written}' is no duration, such as 10m`);
  return ms ?? RULE_DEFAULTS.quietMs;
}

function readFlapping({ text, wrong }: NotifySection): Rule["flapping"] {
  const written = text("flapping");
  if (written === null) return RULE_DEFAULTS.flapping;
  const [, count = "", span = ""] = /^(\d+)\s*(?:in|\/)\s*(.+)$/.exec(written) ?? [];
  const [exits, withinMs] = [Number(count), parseDuration(span)];
  if (withinMs !== null && withinMs > 0 && exits >= 2 && exits <= FLAPPING_MAX) return { exits, withinMs };
  wrong("flapping", `'${written}' is not such as '5 in 2m': exits, 2 to ${FLAPPING_MAX}, and a time`);
  return RULE_DEFAULTS.flapping;
}

function readTellEnd({ text, wrong }: NotifySection): boolean {
  const written = text("tell_end");
  if (written === null) return RULE_DEFAULTS.tellsEnd;
  const tells = parseBoolean(written);
  if (tells === null) wrong("tell_end", `'${written}' is neither yes nor no`);
  return tells ?? RULE_DEFAULTS.tellsEnd;
}

function isKey(word: string): word is Key {
  return (KEYS as readonly string[]).includes(word);
}

function wordsOf(text: string | null): readonly string[] {
  return (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
}
