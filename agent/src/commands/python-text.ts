/** Texts as Python writes them, where Circus's replies contain them (reference §5.3). Pure. */

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `repr()` of a string: single quotes unless only those occur in it, unprintable characters escaped. */
export function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const known = ESCAPES[char];
    if (known !== undefined) out += known;
    else if (char === quote) out += `\\${char}`;
    else if (!isPrintable(char)) out += escapeCode(code);
    else out += char;
  }
  return `${quote}${out}${quote}`;
}

function isPrintable(char: string): boolean {
  return char === " " || !/[\p{C}\p{Z}]/u.test(char);
}

function escapeCode(code: number): string {
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x1_0000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}
