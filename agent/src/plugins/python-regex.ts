/** Regular expressions as Python's `re` writes them. Pure. */

/**
 * As `re.match` uses it: anchored at the start only. Null where it is none. Named groups, back references to them and
 * flags at the very beginning are translated; the rest is the same in both languages, or an error here.
 */
export function pythonRegex(text: string): RegExp | null {
  const [, flags = "", body = text] = /^\(\?([aimsu]+)\)(.*)$/s.exec(text) ?? [];
  const source = body
    .replace(/\(\?P</gi, "(?<")
    .replace(/\(\?P=(\w+)\)/gi, "\\k<$1>")
    .replace(/\\Z/g, "$(?![^])");
  try {
    return new RegExp(`^(?:${source})`, [...new Set(flags.replace(/[au]/g, ""))].join(""));
  } catch {
    return null;
  }
}
