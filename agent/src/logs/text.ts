/** Bytes of one line as its readers get them. Pure. */

/** Of one line; what is longer is cut. */
export const LINE_BYTES_MAX = 32 * 1024;
/** What a line costs in an answer besides its bytes. */
export const LINE_BYTES = 96;

const decoder = new TextDecoder();

/** @param cutBytes so many are left out already behind these */
export function textOf(bytes: Uint8Array, cutBytes = 0): string {
  const more = Math.max(0, bytes.length - LINE_BYTES_MAX) + cutBytes;
  const text = decoder.decode(more === 0 ? bytes : bytes.subarray(0, LINE_BYTES_MAX));
  return more === 0 ? text : `${text} … (${more} bytes more)`;
}

/** A line as text already: cut by characters. */
export function cutText(line: string): string {
  const more = line.length - LINE_BYTES_MAX;
  return more <= 0 ? line : `${line.slice(0, LINE_BYTES_MAX)} … (${more} characters more)`;
}
