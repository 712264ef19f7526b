/** The controller's web page in a real browser, on a real fleet: what a person sees and does with it. */
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openPage, startBrowser } from "../support/browser.ts";
import { exampleSections } from "../support/example.ts";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { projectRoot } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const PAGES = ["", "host/web1", "watcher/myworker", "logs/talk", "rollouts", "events", "start"];
const PHONE = { width: 390, height: 780 };

it("signs in, rolls out, sees a host get lost, looks back, and is readable by everybody", async () => {
  const httpPort = await freePort();
  const talk = {
    cmd: `python3 ${join(projectRoot, "test/fixtures/numbered_writer.py")} notes 0.2`,
    copy_env: true,
    "stdout_stream.filename": "talk.log",
  };
  const sections = { ...(await exampleSections()), "watcher:talk": talk };
  await using fleet = await RealFleet.start(["web1", "web2"], { isOnLoopback: true, httpPort, sections });
  const [viewer, operator] = [await fleet.token("eve", "viewer"), await fleet.token("alice", "operator")];
  const url = `http://127.0.0.1:${httpPort}/`;
  await using browser = await startBrowser();
  await using desk = await openPage(browser, { viewport: { width: 1200, height: 700 }, colorScheme: "light" });
  const { page } = desk;
  const signIn = async (token: string): Promise<void> => {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
  };

  await page.goto(url);
  await signIn("circus_nobody");
  await page.getByRole("alert").getByText("the token is not valid").waitFor();
  expect(await desk.violations()).toEqual([]);

  // A viewer follows a log: the last lines, then what comes; a pause holds the picture, a filter narrows it.
  await signIn(viewer);
  await page.goto(`${url}#/watcher/talk`);
  await page.getByRole("link", { name: "Logs" }).click();
  const log = page.getByRole("log", { name: "Lines" });
  for (const host of ["web1", "web2"]) await log.getByText(host).first().waitFor({ timeout: 60_000 });
  const newest = async (): Promise<number> =>
    Number(/ (\d+) x+$/.exec((await log.locator("div").last().textContent()) ?? "")?.[1]);
  const begun = await newest();
  await waitFor(async () => (await newest()) > begun + 5, { what: "new lines", deadlineMs: 60_000 });
  await desk.picture("web-logs");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText(/paused, /).waitFor({ timeout: 60_000 });
  const held = await log.textContent();
  await page.getByText(/paused, \d\d+ new lines/).waitFor({ timeout: 60_000 });
  expect(await log.textContent()).toBe(held);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByLabel("Filter lines").fill("web2");
  await waitFor(async () => (await log.getByText("web1").count()) === 0, { what: "the filter", deadlineMs: 60_000 });
  expect(await log.getByText("web2").count()).toBeGreaterThan(5);
  await page.goto(`${url}#/`);

  // Who may only read is not offered what would be refused.
  await page.getByRole("link", { name: "Start a rollout…" }).click();
  await page.getByText("This token may read only.").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();

  await signIn(operator);
  await page.goto(`${url}#/`);
  const row = (host: string) => page.getByRole("row").filter({ hasText: host });
  for (const host of ["web1", "web2"]) await row(host).getByText("2/2").waitFor();
  await desk.picture("web-overview");
  const calm = Date.now();

  // What it uses: agents tell of it some seconds after their start, in numbers that can be read without the plot.
  await page.goto(`${url}#/watcher/myworker`);
  await page.getByLabel("Time span").selectOption({ label: "last 1 hour" });
  const memory = page.getByRole("img", { name: /Memory, resident, of myworker: now \d+(\.\d)? MiB/ });
  await memory.waitFor({ timeout: 120_000 });
  await page.getByRole("img", { name: /CPU, .* now \d+(\.\d+)? %/ }).waitFor();
  await page.getByRole("img", { name: "Processes, of myworker: now 4," }).waitFor({ timeout: 120_000 });
  await row("web2").getByText("MiB").waitFor();
  await desk.picture("web-usage");
  await page.goto(`${url}#/host/web1`);
  await page.getByRole("img", { name: /CPU, .* of web1: now / }).waitFor();
  await row("myworker").getByText("MiB").waitFor();

  await page.goto(`${url}#/start?watcher=myworker`);
  await page.getByLabel("Hosts in a wave").fill("1");
  await page.getByLabel("Soak, in seconds").fill("3.5");
  await page.getByRole("button", { name: "Show the plan" }).click();
  await page.getByRole("heading", { name: "Wave 2" }).waitFor();
  await page.getByRole("button", { name: "Start it" }).click();
  await page.getByText("2 of 2 done").waitFor();
  await page.getByText("done", { exact: true }).first().waitFor();
  await waitFor(async () => (await page.getByText(/\d+ \d+ → \d+ \d+/).count()) === 2, { what: "old and new pids" });
  await desk.picture("web-rollout");

  await page.goto(`${url}#/`);
  await fleet.host("web2").agent.kill9();
  await row("web2").getByText("lost").waitFor({ timeout: 60_000 });
  await page.getByText("1 host in trouble").waitFor();
  // What is wrong stands first.
  await waitFor(async () => (await page.getByRole("row").nth(1).textContent())?.includes("web2") === true, {
    what: "what is wrong to come first",
  });
  await desk.picture("web-lost");

  // A step of the time line is a second; the first wave took longer than twice that, and web2 was active meanwhile.
  const back = Math.round((Date.now() - calm - 1750) / 1000);
  await page.getByLabel("Moment shown").fill(String(3600 - back));
  await page.getByText("as it was at").waitFor();
  await row("web2").getByText("active").first().waitFor();
  await desk.picture("web-past");
  await page.getByRole("button", { name: "back to live" }).click();
  await row("web2").getByText("lost").waitFor();

  await page.goto(`${url}#/events?kinds=host_lost`);
  await page.getByRole("cell", { name: "host lost" }).waitFor();

  for (const path of PAGES) {
    await page.goto(`${url}#/${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await desk.violations(), path).toEqual([]);
  }
  expect(desk.errors).toEqual([]);

  await using phone = await openPage(browser, { viewport: PHONE, colorScheme: "dark" });
  await phone.page.goto(url);
  await phone.page.getByLabel("Token").fill(operator);
  await phone.page.getByRole("button", { name: "Sign in" }).click();
  await phone.page.getByRole("link", { name: "web1" }).waitFor();
  for (const path of PAGES) {
    await phone.page.goto(`${url}#/${path}`);
    await phone.page.getByRole("heading", { level: 1 }).waitFor();
    expect(await phone.violations(), path).toEqual([]);
    await phone.picture(`web-phone-${path.replace("/", "-") || "overview"}`);
    await waitFor(
      async () => (await phone.page.evaluate<number>("document.documentElement.scrollWidth")) <= PHONE.width,
      {
        what: `${path} to fit a phone`,
      },
    );
  }
  expect(phone.errors).toEqual([]);
}, 600_000);
