/** On which line of an INI file does a section or a key stand? The `ini` package does not tell. Pure. */

interface KeyPlace {
  readonly section: string | null;
  readonly key: string;
  /** From 1. */
  readonly line: number;
}

export interface IniPlaces {
  readonly sections: readonly { readonly name: string; readonly line: number }[];
  readonly keys: readonly KeyPlace[];
  /** Lines that are neither section, key = value, comment nor blank. */
  readonly strange: readonly { readonly line: number; readonly text: string }[];
}

export function locate(text: string): IniPlaces {
  const sections: { name: string; line: number }[] = [];
  const keys: KeyPlace[] = [];
  const strange: { line: number; text: string }[] = [];
  let section: string | null = null;
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === "" || trimmed.startsWith(";") || trimmed.startsWith("#")) continue;
    const header = /^\[([^\]]*)\]\s*$/.exec(raw);
    const equals = raw.indexOf("=");
    if (header !== null) {
      section = (header[1] ?? "").trim();
      sections.push({ name: section, line });
    } else if (equals > 0) keys.push({ section, key: raw.slice(0, equals).trim(), line });
    else strange.push({ line, text: trimmed });
  }
  return { sections, keys, strange };
}
