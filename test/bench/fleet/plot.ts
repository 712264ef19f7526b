/** Lines over two logarithmic axes, as the text of an SVG. Pure. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

const WIDTH = 720;
const HEIGHT = 420;
const MARGIN = { left: 64, right: 220, top: 36, bottom: 44 } as const;
const COLOURS = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#555555", "#008b8b"];

/** Whole powers of ten around the values. */
function decades(values: readonly number[]): { readonly low: number; readonly high: number } {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const low = Math.floor(Math.min(...logs));
  return { low, high: Math.max(low + 1, Math.ceil(Math.max(...logs))) };
}

function powers({ low, high }: { readonly low: number; readonly high: number }): readonly number[] {
  return Array.from({ length: high - low + 1 }, (_, at) => low + at);
}

export function svgPlot(title: string, xName: string, yName: string, series: readonly Series[]): string {
  const xs = decades(series.flatMap(({ points }) => points.map(([x]) => x)));
  const ys = decades(series.flatMap(({ points }) => points.map(([, y]) => y)));
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const x = (log: number): number => MARGIN.left + ((log - xs.low) / (xs.high - xs.low)) * (right - MARGIN.left);
  const y = (log: number): number => bottom - ((log - ys.low) / (ys.high - ys.low)) * (bottom - MARGIN.top);
  const number = (log: number): string => (10 ** log).toLocaleString("en", { maximumFractionDigits: 3 });
  const grid = [
    ...powers(xs).map(
      (log) =>
        `<path d="M${x(log)} ${MARGIN.top}V${bottom}" stroke="#ddd"/>` +
        `<text x="${x(log)}" y="${bottom + 16}" text-anchor="middle">${number(log)}</text>`,
    ),
    ...powers(ys).map(
      (log) =>
        `<path d="M${MARGIN.left} ${y(log)}H${right}" stroke="#ddd"/>` +
        `<text x="${MARGIN.left - 6}" y="${y(log) + 4}" text-anchor="end">${number(log)}</text>`,
    ),
  ];
  const lines = series.map(({ name, points }, at) => {
    const colour = COLOURS[at % COLOURS.length] ?? "#000";
    const places = points
      .filter(([, value]) => value > 0)
      .map(([px, py]) => [x(Math.log10(px)).toFixed(1), y(Math.log10(py)).toFixed(1)] as const);
    const dots = places.map(([px, py]) => `<circle cx="${px}" cy="${py}" r="3" fill="${colour}"/>`).join("");
    const path = `<polyline points="${places.map((place) => place.join(",")).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`;
    const label = `<text x="${right + 10}" y="${MARGIN.top + 18 * at + 8}" fill="${colour}">${escaped(name)}</text>`;
    return path + dots + label;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${MARGIN.left}" y="20" font-size="14">${escaped(title)}</text>`,
    ...grid,
    `<text x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escaped(xName)}</text>`,
    `<text transform="translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(yName)}</text>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
