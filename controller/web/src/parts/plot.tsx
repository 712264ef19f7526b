/** Numbers over time. Colours come from the style sheet, so that light and dark are the same code. */
import type { UsageValues } from "@circus-cluster/proto";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "../clock.ts";
import type { Tone } from "../judge.ts";

const DAY_S = 86_400;

/** `14:05`, or `11-26` where days are shown. */
function shortTime(seconds: number, span: number): string {
  const text = clock(seconds * 1000);
  return span > DAY_S ? text.slice(5, 10) : text.slice(11, 16);
}

interface PlotProps {
  readonly label: string;
  /** Seconds since the epoch, then a row for each series; null: not known, a gap. */
  readonly data: readonly UsageValues[];
  readonly series: readonly { readonly label: string; readonly tone: Tone }[];
  /** Seconds; the same for all plots of a page, whose cursors go together. */
  readonly span: readonly [from: number, to: number];
  /** Of a value, and at the axis. */
  readonly text?: (value: number) => string;
  readonly tick?: (value: number) => string;
  /** Bytes: the axis counts in powers of two. */
  readonly isBinary?: boolean;
  /** Largest on the vertical axis where nothing is larger. */
  readonly least?: number;
}

const HEIGHT = 180;
const AXIS_WIDTH = 70;
/** Above the highest value. */
const HEADROOM = 1.05;
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);
/** Beside the colour, for whom colours are alike: solid, then ever shorter strokes. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [3, 3], [12, 4, 2, 4], [1, 3]];

/** Points that stand between two gaps: no line goes through them. */
function lonePoints(values: UsageValues): number[] {
  const isKnown = (at: number): boolean => (values[at] ?? null) !== null;
  return values.flatMap((value, at) => (value !== null && !isKnown(at - 1) && !isKnown(at + 1) ? [at] : []));
}

export function Plot({
  label,
  data,
  series,
  span,
  text = String,
  tick = text,
  isBinary = false,
  least = 1,
}: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const range = useRef(span);
  range.current = span;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const color = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
    const axis = (): uPlot.Axis => ({ stroke: color("--text"), grid: { stroke: color("--edge"), width: 1 } });
    const length = (): number => range.current[1] - range.current[0];
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          cursor: { sync: { key: "page" } },
          axes: [
            { ...axis(), values: (_, ticks) => ticks.map((at) => shortTime(at, length())) },
            {
              ...{ ...axis(), size: AXIS_WIDTH, values: (_, ticks) => ticks.map((at) => tick(at)) },
              ...(isBinary ? { incrs: POWERS_OF_TWO } : {}),
            },
          ],
          scales: {
            x: { range: () => [...range.current] as [number, number] },
            y: { range: (_, __, max) => [0, Math.max(least, max * HEADROOM)] },
          },
          series: [
            { value: (_, seconds) => (Number.isFinite(seconds) ? clock(seconds * 1000) : "") },
            ...series.map(
              ({ label: name, tone }, at): uPlot.Series => ({
                label: name,
                stroke: color(`--${tone}`),
                ...(at === 0 ? { fill: `${color(`--${tone}`)}33` } : {}),
                width: 2,
                dash: [...(DASHES[at % DASHES.length] ?? [])],
                points: { show: true, size: 5, filter: (of, row) => lonePoints(of.data[row] as UsageValues) },
                value: (_, value) => (Number.isFinite(value) ? text(value) : ""),
              }),
            ),
          ],
        },
        data as uPlot.AlignedData,
        element,
      );
    };
    make();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      scheme.removeEventListener("change", make);
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [series.map(({ label: name }) => name).join("\n")]);
  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data]);
  return <div class="plot" ref={box} role="img" aria-label={label} />;
}
