// Manual pages in roff's man macros: plain data in, text out.

/** Text as it stands, whatever it begins with or holds. */
export function text(words) {
  return words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&")
    .replace(
      /[^\n\x20-\x7e]/gu,
      (letter) => `\\[u${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}

/** As one argument of a macro. */
function argument(words) {
  return `"${text(words).replaceAll('"', '""')}"`;
}

export const bold = (words) => `\\fB${text(words)}\\fR`;

/** `items`: pairs of what is explained, in roff, and its explanation as plain text. */
export function list(items) {
  return items.flatMap(([term, meaning]) => [".TP", term, text(meaning)]);
}

/** Lines as they are. */
export function verbatim(lines) {
  return [".PP", ".nf", ...lines.map((line) => text(line)), ".fi"];
}

export const section = (title, ...lines) => [`.SH ${argument(title)}`, ...lines];
export const subsection = (title, ...lines) => [`.SS ${argument(title)}`, ...lines];

export function page(name, number, version, summary, ...parts) {
  return `${[
    `.TH ${argument(name.toUpperCase())} ${number} "" ${argument(`Circus Cluster ${version}`)} "Circus Cluster"`,
    ...section("NAME", `${name} \\- ${text(summary)}`),
    ...parts.flat(),
  ].join("\n")}\n`;
}
