/** Values as Python's `str()` and `repr()` show them, which is what `circusctl` prints. Pure. */
import { isObject, type Json, NumberText } from "./json.ts";

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function isShown(char: string): boolean {
  return char === " " || !/[\p{C}\p{Z}]/u.test(char);
}

function reprOfText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const known = ESCAPES[char];
    if (known !== undefined) out += known;
    else if (char === quote) out += `\\${char}`;
    else if (isShown(char)) out += char;
    else if (code < 0x100) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code < 0x1_0000) out += `\\u${code.toString(16).padStart(4, "0")}`;
    else out += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return out + quote;
}

function pythonRepr(value: Json): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return reprOfText(value);
  if (value instanceof NumberText) return value.literal;
  if (isObject(value)) {
    return `{${[...value].map(([key, member]) => `${reprOfText(key)}: ${pythonRepr(member)}`).join(", ")}}`;
  }
  return `[${value.map(pythonRepr).join(", ")}]`;
}

export function pythonStr(value: Json): string {
  return typeof value === "string" ? value : pythonRepr(value);
}

/** `repr()` of bytes: `b'…'`, ASCII as it is, all else escaped. */
export function pythonBytesRepr(bytes: Uint8Array): string {
  const quote = bytes.includes(0x27) && !bytes.includes(0x22) ? '"' : "'";
  let out = `b${quote}`;
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    if (char === quote) out += `\\${char}`;
    else if (byte < 0x20 || byte > 0x7e) out += ESCAPES[char] ?? `\\x${byte.toString(16).padStart(2, "0")}`;
    else out += ESCAPES[char] ?? char;
  }
  return out + quote;
}
