/** The words of a line that is still being typed. Pure. */
import { splitWords } from "@circus-cluster/proto";

export interface TypedLine {
  /** The last is the one at the cursor, perhaps empty. */
  readonly words: readonly string[];
  /** The text of that one as it stands there, with its quotes. */
  readonly tail: string;
}

/** @param text up to the cursor */
export function typedLine(text: string): TypedLine {
  for (const end of ["", "'", '"', "\\"]) {
    // What is still open is closed; a lone backslash gets something to escape, which is cut off again.
    const split = splitWords(end === "\\" ? `${text}x` : text + end);
    if (!split.ok) continue;
    const isNext = end === "" && (text === "" || /[^\\][ \t]$|^[ \t]+$/.test(text));
    const words = isNext ? [...split.words, ""] : split.words;
    return { words, tail: isNext ? "" : tailOf(text, words.length) };
  }
  return { words: [""], tail: "" };
}

/** From where on the text is its last word. */
function tailOf(text: string, count: number): string {
  for (let at = text.length - 1; at > 0; at--) {
    if (text[at - 1] !== " " && text[at - 1] !== "\t") continue;
    const head = splitWords(text.slice(0, at));
    if (head.ok && head.words.length === count - 1) return text.slice(at);
  }
  return text;
}
