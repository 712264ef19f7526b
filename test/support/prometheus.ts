/** What `promtool check metrics` and Prometheus's own parser would not take in a page of metrics. */

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (NaN|[+-]Inf|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i;
const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="/g;

/** One line for each fault of a page in text format 0.0.4; none: it is good. */
export function metricFaults(text: string): readonly string[] {
  const faults: string[] = [];
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const series = new Set<string>();
  let current = "";
  const ended = new Set<string>();
  const enter = (name: string): void => {
    if (name === current) return;
    if (current !== "") ended.add(current);
    if (ended.has(name)) faults.push(`${name} is not in one piece`);
    current = name;
  };
  if (!text.endsWith("\n")) faults.push("the last line has no end");
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const [, what, named = "", rest = ""] = COMMENT.exec(line) ?? [];
    if (what === "HELP") {
      enter(named);
      if (helps.has(named)) faults.push(`two helps of ${named}`);
      helps.add(named);
      continue;
    }
    if (what === "TYPE") {
      enter(named);
      if (types.has(named)) faults.push(`two types of ${named}`);
      if (!["counter", "gauge"].includes(rest)) faults.push(`${named} is a ${rest}`);
      if ((rest === "counter") !== named.endsWith("_total")) faults.push(`${named} is a ${rest}`);
      types.set(named, rest);
      continue;
    }
    const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
    if (name === "") {
      faults.push(`no sample: ${line}`);
      continue;
    }
    enter(name);
    if (!types.has(name) || !helps.has(name)) faults.push(`${name} has no type or help before it`);
    const names = [...labels.matchAll(LABEL)].map(([, label]) => label);
    if (new Set(names).size < names.length) faults.push(`a label twice: ${line}`);
    if (names.some((label) => label?.startsWith("__"))) faults.push(`a label of Prometheus's own: ${line}`);
    if (types.get(name) === "counter" && !(Number(value) >= 0)) faults.push(`a counter of ${value}: ${line}`);
    const key = `${name}{${labels}}`;
    if (series.has(key)) faults.push(`twice: ${key}`);
    series.add(key);
  }
  if (series.size === 0) faults.push("no sample at all");
  return faults;
}
