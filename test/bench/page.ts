/**
 * `npm run bench -- page`: what the web page costs a browser, and its controller, with fleets of simulated agents (20
 * watchers each) in which watchers change all the while. nats-server, circus-controller and Chromium are real; all are
 * on this machine. BENCH_HOSTS names the sizes, BENCH_UPDATES the changes a second, BENCH_PAGE_MINUTES how long memory
 * is watched.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { HostName } from "@circus-cluster/proto";
import { startBrowser } from "../support/browser.ts";
import { freePort } from "../support/ports.ts";
import { percentOf, SimulatedFleet, WATCHERS } from "./fleet/world.ts";
import { ms, quantile, type Row, table } from "./measure.ts";
import { type Memory, type Smoothness, Visit } from "./page/visit.ts";

const SIZES = (process.env["BENCH_HOSTS"] ?? "10,100,1000").split(",").map(Number);
const UPDATES = Number(process.env["BENCH_UPDATES"] ?? 50);
const MINUTES = Number(process.env["BENCH_PAGE_MINUTES"] ?? 3);
const WATCH_MS = 10_000;
const SCROLL_MS = 8000;
const LATENCIES = 30;
const IN_SIGHT = 12;

interface Figures {
  readonly hosts: number;
  readonly firstPaintMs: number;
  readonly largestPaintMs: number;
  readonly usefulPaintMs: number;
  readonly loadBytes: number;
  readonly loadCpuMs: number;
  readonly bytesPerSecond: number;
  readonly done: Readonly<Record<"looking" | "scrolling" | "typing" | "scrubbing", Smoothness>>;
  readonly latencies: readonly number[];
  readonly memory: readonly [Memory, Memory];
  readonly controllerPercent: number;
  readonly controllerAlonePercent: number;
}

/** Watchers restart on hosts by chance, so many a second, until it is let go. */
function keepChanging(fleet: SimulatedFleet): AsyncDisposable {
  const open = new Set<Promise<void>>();
  const begun = performance.now();
  let told = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - begun) / 1000) * UPDATES;
    for (; told < due; told++) {
      const host = fleet.hosts[Math.floor(Math.random() * fleet.hosts.length)] as HostName;
      const name = `w${Math.floor(Math.random() * (WATCHERS - 1))}`; // the last one is for latencies
      const change = fleet.tell(host, "restart", { name }).finally(() => open.delete(change));
      open.add(change);
    }
  }, 20);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await Promise.all(open);
    },
  };
}

async function latencies(fleet: SimulatedFleet, { page }: Visit): Promise<readonly number[]> {
  const found: number[] = [];
  const name = `w${WATCHERS - 1}`;
  for (let round = 0; round < LATENCIES; round++) {
    const host = fleet.hosts[Math.floor(round / 2) % Math.min(IN_SIGHT, fleet.hosts.length)] as HostName;
    const [verb, text] = round % 2 === 0 ? ["stop", "stopped"] : ["start", "1/1"];
    const said = page.evaluate<number>(`probe.said("${host}", "${name}", "${text}")`);
    await delay(100 + 200 * Math.random());
    const begun = Date.now();
    await fleet.tell(host, verb, { name });
    found.push((await said) - begun);
  }
  return found;
}

async function scrub({ page }: Visit): Promise<void> {
  const line = page.getByLabel("Moment shown");
  await line.focus();
  for (let step = 0; step < 40; step++) {
    await page.keyboard.press("ArrowLeft");
    await delay(step % 10 === 9 ? 600 : 60);
  }
  await page.getByRole("button", { name: "back to live" }).click();
}

async function type({ page }: Visit): Promise<void> {
  await page.keyboard.press("/");
  for (const text of ["role=web h0", "is:wrong", "zone!=a"]) {
    await page.keyboard.type(text, { delay: 80 });
    for (const _ of text) await page.keyboard.press("Backspace", { delay: 40 });
  }
}

async function controllerPercentOf(fleet: SimulatedFleet): Promise<number> {
  return percentOf(await fleet.cost(() => delay(WATCH_MS)));
}

async function measure(hosts: number): Promise<Figures> {
  console.error(`page: ${hosts} hosts`);
  const httpPort = await freePort();
  await using fleet = await SimulatedFleet.start(hosts, { httpPort });
  const token = await fleet.token("eve", "viewer");
  await using browser = await startBrowser();
  await using _ = keepChanging(fleet);
  const controllerAlonePercent = await controllerPercentOf(fleet);
  const cpuMs = fleet.controllerCpuMs;
  await using visit = await Visit.begin(browser, `http://127.0.0.1:${httpPort}/`, token, hosts);
  const loadCpuMs = fleet.controllerCpuMs - cpuMs;
  const [load, loadBytes] = [await visit.probe(), visit.wireBytes];
  console.error("  looking");
  await delay(2000);
  const first = await visit.memory();
  const before = visit.wireBytes;
  let controllerPercent = 0;
  const looking = await visit.smoothness(async () => {
    controllerPercent = await controllerPercentOf(fleet);
  });
  const bytesPerSecond = (visit.wireBytes - before) / (WATCH_MS / 1000);
  const found = await latencies(fleet, visit);
  console.error("  scrolling, typing, scrubbing");
  const scrolling = await visit.smoothness(() => visit.page.evaluate(`probe.scroll(${SCROLL_MS})`));
  const typing = await visit.smoothness(() => type(visit));
  const scrubbing = await visit.smoothness(() => scrub(visit));
  console.error(`  ${MINUTES} minutes more`);
  await delay(MINUTES * 60_000);
  return {
    hosts,
    firstPaintMs: load.paints["first-contentful-paint"] ?? Number.NaN,
    largestPaintMs: load.largestMs ?? Number.NaN,
    usefulPaintMs: load.usefulMs ?? Number.NaN,
    loadBytes,
    loadCpuMs,
    bytesPerSecond,
    done: { looking, scrolling, typing, scrubbing },
    latencies: found,
    memory: [first, await visit.memory()],
    controllerPercent,
    controllerAlonePercent,
  };
}

const frames = ({ frameP50, frameP95, frameMax, longTasks, longestMs }: Smoothness): string =>
  `${[frameP50, frameP95, frameMax].map((one) => one.toFixed(0)).join(" ")} ms; ${longTasks}${longTasks > 0 ? `, ${longestMs.toFixed(0)} ms` : ""}`;

export async function benchPage(): Promise<string> {
  const found: Figures[] = [];
  for (const size of SIZES) {
    const figures = await measure(size);
    console.error(JSON.stringify(figures)); // not lost where a larger one cannot be had
    found.push(figures);
  }
  const row = (name: string, cell: (figures: Figures) => string): Row => ({ name, cells: found.map(cell) });
  const memory = ({ heapMiB, residentMiB, nodes }: Memory): string =>
    `${heapMiB.toFixed(1)} MiB, ${residentMiB.toFixed(0)} MiB, ${nodes}`;
  const doing = (name: keyof Figures["done"]): readonly Row[] => [
    row(`${name}: frames p50 p95 max; tasks > 50 ms`, ({ done }) => frames(done[name])),
    row(`  of a core: the page (with painting)`, ({ done }) => {
      const { pagePercent, allPercent } = done[name];
      return `${pagePercent.toFixed(0)} % (${allPercent.toFixed(0)} %)`;
    }),
    row(`  slowest answer to a key`, ({ done }) => ms(done[name].inputMs)),
  ];
  return table(
    `the web page, ${WATCHERS} watchers a host, ${UPDATES} restarts a second`,
    found.map(({ hosts }) => `${hosts} hosts`),
    [
      row("first contentful paint", ({ firstPaintMs }) => ms(firstPaintMs)),
      row("largest contentful paint", ({ largestPaintMs }) => ms(largestPaintMs)),
      row(
        "the grid with all hosts (CPU of the controller)",
        (one) => `${ms(one.usefulPaintMs)} (${ms(one.loadCpuMs)})`,
      ),
      row("over the wire until then", ({ loadBytes }) => `${(loadBytes / 1000).toFixed(0)} kB`),
      row("  then, a second", ({ bytesPerSecond }) => `${(bytesPerSecond / 1000).toFixed(1)} kB`),
      row(
        "command at an agent → cell, p50 p95",
        ({ latencies: all }) => `${ms(quantile(all, 0.5))} ${ms(quantile(all, 0.95))}`,
      ),
      ...(["looking", "scrolling", "typing", "scrubbing"] as const).flatMap(doing),
      row("memory: heap, resident, nodes", (one) => memory(one.memory[0])),
      row(`  after ${MINUTES} minutes more`, (one) => memory(one.memory[1])),
      row(
        "controller, of a core (nobody looking)",
        (one) => `${one.controllerPercent.toFixed(0)} % (${one.controllerAlonePercent.toFixed(0)} %)`,
      ),
    ],
  );
}
