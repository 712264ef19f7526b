/** supervisord's INI dialect, as far as a file that supervisord takes needs it: sections, values, the lines of both. Pure. */

export interface Value {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

export interface Section {
  readonly name: string;
  readonly line: number;
  /** The last one of a name counts. */
  readonly values: ReadonlyMap<string, Value>;
}

export type Read =
  | { readonly ok: true; readonly sections: readonly Section[] }
  | { readonly ok: false; readonly line: number; readonly reason: string };

export function readSupervisord(text: string): Read {
  const sections: { name: string; line: number; values: Map<string, Value> }[] = [];
  let key: string | null = null;
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const line = index + 1;
    if (/^\s*[#;]/.test(raw) || raw.trim() === "") continue;
    const section = sections.at(-1);
    // A blank and a semicolon begin a comment, wherever they stand.
    const cut = raw.replace(/\s+;.*$/, "");
    const value = key === null ? undefined : section?.values.get(key);
    if (/^\s/.test(raw) && key !== null && value !== undefined) {
      section?.values.set(key, { ...value, text: `${value.text}\n${cut.trim()}`.trim() });
      continue;
    }
    key = null;
    const header = /^\[([^\]]+)\]\s*$/.exec(cut.trim());
    if (header !== null) {
      const name = (header[1] ?? "").trim();
      if (!sections.some((one) => one.name === name)) sections.push({ name, line, values: new Map() });
      else return { ok: false, line, reason: `[${name}] stands there twice` };
      continue;
    }
    const [, name, rest] = /^\s*([^=:\s][^=:]*?)\s*[=:]\s*(.*)$/s.exec(cut) ?? [];
    if (name === undefined || rest === undefined)
      return { ok: false, line, reason: `'${raw.trim().slice(0, 60)}' is no 'key = value'` };
    if (section === undefined) return { ok: false, line, reason: `'${name}' stands before any section` };
    key = name.toLowerCase();
    section.values.set(key, { text: rest.trim(), line });
  }
  return { ok: true, sections };
}

/** `A="1",B=two,C="with, comma"` as names and values; null where it is none. */
export function readEnvironment(text: string): readonly (readonly [string, string])[] | null {
  const found: (readonly [string, string])[] = [];
  let rest = text.replaceAll("\n", " ").trim();
  while (rest !== "") {
    const match = /^([^\s=,]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,]*?))\s*(?:,\s*|$)/.exec(rest);
    if (match === null) return null;
    const [whole, name = "", double, single, bare] = match;
    found.push([name, double ?? single ?? bare ?? ""]);
    rest = rest.slice(whole.length).trim();
  }
  return found;
}
