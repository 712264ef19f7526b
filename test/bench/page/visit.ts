/** One visit of the page in a real browser, as it costs: what came over the wire, paints, frames, memory, processor. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, CDPSession, Page } from "playwright-core";
import { projectRoot } from "../../support/process.ts";
import { cpuMsOf, quantile, residentOf } from "../measure.ts";

const VIEWPORT = { width: 1440, height: 900 };

/** What `probe.js` has gathered; ms. */
interface Probe {
  readonly paints: Readonly<Record<string, number>>;
  readonly largestMs: number | null;
  readonly usefulMs: number | null;
  readonly long: readonly number[];
  readonly gaps: readonly number[];
  readonly slow: readonly number[];
}

/** Of one thing that a reader does. */
export interface Smoothness {
  readonly frameP50: number;
  readonly frameP95: number;
  readonly frameMax: number;
  /** Tasks of more than 50 ms. */
  readonly longTasks: number;
  readonly longestMs: number;
  /** From a key to the next frame, the slowest; 0: all within one frame, or no key. */
  readonly inputMs: number;
  /** Of a core: the page's own process, and with the one that paints (no GPU here). */
  readonly pagePercent: number;
  readonly allPercent: number;
}

export interface Memory {
  readonly heapMiB: number;
  readonly residentMiB: number;
  readonly nodes: number;
}

export class Visit implements AsyncDisposable {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #cdp: CDPSession;
  #wireBytes = 0;

  private constructor(page: Page, browser: Browser, cdp: CDPSession) {
    this.page = page;
    this.#browser = browser;
    this.#cdp = cdp;
    cdp.on("Network.responseReceived", ({ response }) => (this.#wireBytes += response.encodedDataLength));
    cdp.on("Network.dataReceived", ({ encodedDataLength }) => (this.#wireBytes += encodedDataLength));
  }

  /** Nothing cached, the token in the tab; resolves when all hosts are on the screen. */
  static async begin(browser: Browser, url: string, token: string, hosts: number): Promise<Visit> {
    const context = await browser.newContext({ viewport: VIEWPORT, colorScheme: "light", bypassCSP: true });
    await context.addInitScript(`sessionStorage.setItem("circus-token", "${token}"); globalThis.probeHosts = ${hosts}`);
    await context.addInitScript({ path: join(projectRoot, "test/bench/page/probe.js") });
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send("Network.enable");
    const visit = new Visit(page, browser, cdp);
    await page.goto(url);
    await page.waitForFunction("probe.usefulMs !== null", undefined, { timeout: 120_000 });
    return visit;
  }

  /** Bodies and heads, as they came. */
  get wireBytes(): number {
    return this.#wireBytes;
  }

  async probe(): Promise<Probe> {
    return JSON.parse(await this.page.evaluate<string>("JSON.stringify(probe)")) as Probe;
  }

  /** While `work` goes on. */
  async smoothness(work: () => Promise<unknown>): Promise<Smoothness> {
    await delay(300);
    const pids = await this.#pids();
    const cpuMs = (kinds: readonly string[]): number =>
      pids.filter(({ kind }) => kinds.includes(kind)).reduce((sum, { pid }) => sum + cpuMsOf(pid), 0);
    const begun = performance.now();
    const [page, paint] = [cpuMs(["renderer"]), cpuMs(["GPU"])];
    await this.page.evaluate("probe.clear()");
    await work();
    const { gaps, long, slow } = await this.probe();
    const tookMs = performance.now() - begun;
    const pageMs = cpuMs(["renderer"]) - page;
    return {
      frameP50: quantile(gaps, 0.5),
      frameP95: quantile(gaps, 0.95),
      frameMax: Math.max(...gaps),
      longTasks: long.length,
      longestMs: Math.max(0, ...long),
      inputMs: Math.max(0, ...slow),
      pagePercent: (100 * pageMs) / tookMs,
      allPercent: (100 * (pageMs + cpuMs(["GPU"]) - paint)) / tookMs,
    };
  }

  /** After a collection of garbage. */
  async memory(): Promise<Memory> {
    for (let round = 0; round < 2; round++) await this.#cdp.send("HeapProfiler.collectGarbage");
    const { usedSize } = await this.#cdp.send("Runtime.getHeapUsage");
    const { nodes } = await this.#cdp.send("Memory.getDOMCounters");
    const own = (await this.#pids()).filter(({ kind }) => kind === "renderer");
    const residentMiB = Math.max(...own.map(({ pid }) => residentOf(pid).now));
    return { heapMiB: usedSize / 2 ** 20, residentMiB, nodes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }

  async #pids(): Promise<readonly { readonly pid: number; readonly kind: string }[]> {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    return processInfo.map(({ id, type }) => ({ pid: id, kind: type }));
  }
}
