/** Chromium, headless, with a page of its own for each test; what its console says of errors is kept. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { track } from "./leaks.ts";
import { cleanEnv, findProgram, projectRoot } from "./process.ts";

/** Nothing leaves the machine: no look-ups, no updates, no sync. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Where pictures are kept for people to look at; not committed. */
export const artefacts = join(projectRoot, "test/artefacts");

export interface BrowserPage extends AsyncDisposable {
  readonly page: Page;
  /** What the console said of errors, and what was thrown. */
  readonly errors: readonly string[];
  /** Keeps a picture of it. */
  picture(name: string): Promise<void>;
  /** Violations that axe finds, one line each. */
  violations(): Promise<readonly string[]>;
}

export async function startBrowser(): Promise<Browser & AsyncDisposable> {
  const browser = await chromium.launch({
    executablePath: findProgram("chromium") ?? "chromium",
    args: QUIET,
    env: cleanEnv(),
  });
  const untrack = track("Chromium", () => void browser.close());
  browser.once("disconnected", untrack);
  return browser;
}

/** @param options as Playwright's; its content security policy is put aside so that axe can be brought in */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserPage> {
  const context = await browser.newContext({ bypassCSP: true, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  return {
    page,
    errors,
    picture: async (name) => {
      await mkdir(artefacts, { recursive: true });
      await page.screenshot({ path: join(artefacts, `${name}.png`) });
    },
    violations: async () => {
      await page.addScriptTag({ content: axe.source });
      return await page.evaluate(async () => {
        const inPage = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
        const { violations } = await inPage.axe.run();
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 100)).join(" | ")}`);
      });
    },
    [Symbol.asyncDispose]: async () => await context.close(),
  };
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}
