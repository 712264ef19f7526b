/** CPU, memory and processes over time as plots, each with a sentence that says its numbers. */
import type { UsageAnswer, UsageNow, UsageTotal } from "@circus-cluster/proto";
import { useMemo } from "preact/hooks";
import type { Asked } from "../ask.ts";
import type { Tone } from "../judge.ts";
import {
  fewLines,
  isKnown,
  type Line,
  type Measure,
  sentenceOf,
  tickText,
  timesOf,
  totalLines,
  valueText,
} from "../usage-view.ts";
import { Ago } from "./marks.tsx";
import { Plot } from "./plot.tsx";

/** Between two questions: a host that has just started tells for the first time within seconds. */
export const USAGE_MS = 10_000;

const TONES: readonly Tone[] = ["busy", "warn", "bad", "good", "off"];
const TITLES: Readonly<Record<Measure, string>> = {
  cpu: "CPU, in per cent of one processor",
  rss: "Memory, resident",
  processes: "Processes",
};
/** So that noise is no mountain. */
const LEAST: Readonly<Record<Measure, number>> = { cpu: 10, rss: 1024 * 1024, processes: 1 };
const MEASURES: readonly Measure[] = ["cpu", "rss", "processes"];

interface UsageProps {
  /** Of whom. */
  readonly name: string;
  readonly asked: Asked<UsageAnswer>;
  /** Ms. */
  readonly span: number;
  /** Does a line stand for a watcher, or for all hosts? */
  readonly by: "watcher" | "total";
}

export function Usage({ name, asked, span, by }: UsageProps) {
  const { value: answer, at } = asked;
  if (answer === null) return null;
  if (!isKnown(answer)) {
    return (
      <p class="empty">
        Nothing is known of this time. Agents tell what they use about once a minute; those of an older version do not.
      </p>
    );
  }
  const { now } = answer.total;
  return (
    <>
      <p class="soft">
        {now === null ? "Nobody tells at the moment." : ["Told ", <Ago key="age" time={at - now.ageMs} />, "."]}
      </p>
      {MEASURES.map((measure) => (
        <One key={measure} {...{ name, answer, at, span, by, measure }} />
      ))}
    </>
  );
}

/** What is used now: two cells of a table. */
export function UseCells({ use }: { use: Pick<UsageNow, "cpu" | "rss"> | null }) {
  return (
    <>
      <td class="number">{use === null ? "?" : valueText("cpu", use.cpu)}</td>
      <td class="number">{use === null ? "?" : valueText("rss", use.rss)}</td>
    </>
  );
}

interface OneProps extends Omit<UsageProps, "asked"> {
  readonly answer: UsageAnswer;
  readonly at: number;
  readonly measure: Measure;
}

function One({ name, answer, at, span, by, measure }: OneProps) {
  const lines = useMemo(() => linesOf(answer, measure, by), [answer, measure, by]);
  const data = useMemo(() => [timesOf(answer, at), ...lines.map(({ values }) => values)], [lines, at]);
  const text = `${sentenceOf(measure, answer.total, answer.total.now)}${topText(answer.total, measure, by)}`;
  return (
    <section>
      <h3>{TITLES[measure]}</h3>
      <p class="soft">{text}</p>
      <Plot
        label={`${TITLES[measure]}, of ${name}: ${text}`}
        data={data}
        series={lines.map(({ label }, place) => ({ label, tone: TONES[place % TONES.length] ?? "off" }))}
        span={[(at - span) / 1000, at / 1000]}
        text={(value) => valueText(measure, value)}
        tick={(value) => tickText(measure, value)}
        isBinary={measure === "rss"}
        least={LEAST[measure]}
      />
    </section>
  );
}

function linesOf(answer: UsageAnswer, measure: Measure, by: UsageProps["by"]): readonly Line[] {
  if (measure === "processes") return [{ label: "processes", values: answer.total.processes }];
  return by === "total" ? totalLines(answer, measure) : fewLines(answer, measure);
}

/** Which host had most, where there are several. */
function topText({ topCpu, topRss, hosts }: UsageTotal, measure: Measure, by: UsageProps["by"]): string {
  const top = measure === "cpu" ? topCpu : measure === "rss" ? topRss : null;
  if (top === null || by === "watcher" || !hosts.some((count) => (count ?? 0) > 1)) return "";
  return `; of one host ${valueText(measure, top.value)} at most, on ${top.host}`;
}
