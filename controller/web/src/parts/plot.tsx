/** Numbers over time. Colours come from the style sheet, so that light and dark are the same code. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "../clock.ts";
import type { Tone } from "../judge.ts";

const DAY_S = 86_400;

function spanOf(ticks: readonly number[]): number {
  return (ticks.at(-1) ?? 0) - (ticks[0] ?? 0);
}

/** `14:05`, or `11-26` where days are shown. */
function shortTime(seconds: number, span: number): string {
  const text = clock(seconds * 1000);
  return span > DAY_S ? text.slice(5, 10) : text.slice(11, 16);
}

interface PlotProps {
  readonly label: string;
  /** Seconds since the epoch, then a row for each series. */
  readonly data: readonly (readonly number[])[];
  readonly series: readonly { readonly label: string; readonly tone: Tone }[];
}

const HEIGHT = 180;

export function Plot({ label, data, series }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const color = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
    const axis = (): uPlot.Axis => ({ stroke: color("--text"), grid: { stroke: color("--edge"), width: 1 } });
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          axes: [
            { ...axis(), values: (_, ticks) => ticks.map((tick) => shortTime(tick, spanOf(ticks))) },
            { ...axis(), size: 44 },
          ],
          scales: { y: { range: (_, __, max) => [0, Math.max(1, max)] } },
          series: [
            {},
            ...series.map(({ label: name, tone }) => ({
              ...{ label: name, stroke: color(`--${tone}`), fill: `${color(`--${tone}`)}33`, width: 2 },
              ...{ points: { show: false } },
            })),
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
