/** Aligned columns for people. Pure. */

/** What a cell says about the world; shown as colour where the terminal may. */
export type Tone = "good" | "warn" | "bad" | "dim";

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly isRight?: boolean;
}

const CODES: Readonly<Record<Tone, string>> = { good: "32", warn: "33", bad: "31", dim: "2" };
const GAP = "  ";

/** Text that came over a wire, without what could drive a terminal. */
export function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}

export function paint(text: string, tone: Tone | undefined, hasColour: boolean): string {
  return hasColour && tone !== undefined ? `\u001b[${CODES[tone]}m${text}\u001b[0m` : text;
}

/**
 * A line of titles and a line each row; columns that are empty everywhere are left out.
 *
 * @returns lines without line feeds.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (Cell | string)[])[],
  hasColour: boolean,
): string[] {
  const cells = rows.map((row) =>
    columns.map((_, at): Cell => {
      const cell = row[at] ?? "";
      return typeof cell === "string" ? { text: clean(cell) } : { ...cell, text: clean(cell.text) };
    }),
  );
  const used = columns
    .map((column, at) => ({ ...column, at }))
    .filter(({ at }) => cells.length === 0 || cells.some((row) => row[at]?.text !== ""));
  const widths = used.map(({ title, at }) => Math.max(title.length, ...cells.map((row) => width(row[at]?.text ?? ""))));
  const line = (texts: readonly Cell[]): string =>
    texts
      .map((cell, i) => {
        const blanks = " ".repeat((widths[i] ?? 0) - width(cell.text));
        const text = paint(cell.text, cell.tone, hasColour);
        return used[i]?.isRight === true ? blanks + text : text + blanks;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(used.map(({ title }) => ({ text: title }))),
    ...cells.map((row) => line(used.map(({ at }) => row[at] ?? { text: "" }))),
  ];
}

function width(text: string): number {
  return Array.from(text).length;
}
