/**
 * The web page of a fleet with more hosts than fit on a screen: simulated agents, around a real nats-server and a real
 * controller. With CIRCUS_WRITE_PICTURES=1 (`npm run pictures`) it makes the pictures of the README anew.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { HostName } from "@circus-cluster/proto";
import { afterAll, expect, it } from "vitest";
import type { SimulatedHost } from "../bench/fleet/simulated-agent.ts";
import { SimulatedFleet } from "../bench/fleet/world.ts";
import { artefacts, openPage, startBrowser } from "../support/browser.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { projectRoot } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const SIZE = { width: 1280, height: 760 };

/** What runs where: hosts a zone, and processes of each watcher. */
const ROLES: Readonly<Record<string, readonly [number, Readonly<Record<string, number>>]>> = {
  api: [4, { api: 2, search: 2 }],
  cache: [1, { redis: 1 }],
  web: [7, { nginx: 1, shop: 4, accounts: 2 }],
  worker: [4, { mailer: 2, thumbnails: 4 }],
};

function hosts(): readonly SimulatedHost[] {
  return Object.entries(ROLES).flatMap(([role, [count, own]]) =>
    ["a", "b", "c"].flatMap((zone) =>
      Array.from({ length: count }, (_, at) => ({
        name: `${role}-${zone}${at + 1}`,
        labels: { role, zone },
        watchers: { ...own, metrics: 1 },
      })),
    ),
  );
}

async function keep(picture: string, name: string): Promise<void> {
  if (process.env["CIRCUS_WRITE_PICTURES"] !== "1") return;
  await mkdir(join(projectRoot, "deploy/pictures"), { recursive: true });
  await copyFile(join(artefacts, `${picture}.png`), join(projectRoot, `deploy/pictures/${name}.png`));
}

it("shows a large fleet line by line, what is wrong first, and moves nothing under the reader's hand", async () => {
  const httpPort = await freePort();
  const all = hosts();
  await using fleet = await SimulatedFleet.start(all, { httpPort });
  const token = await fleet.token("alice", "operator");
  await fleet.tell("worker-b3" as HostName, "break", { name: "mailer" });
  await fleet.tell("web-c2" as HostName, "ail", { name: "shop" });
  await using browser = await startBrowser();
  await using desk = await openPage(browser, { viewport: SIZE, colorScheme: "light" });
  const { page } = desk;
  await page.goto(`http://127.0.0.1:${httpPort}/`);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();

  await page.getByText("2 hosts in trouble").waitFor();
  const lines = page.locator(".row.host");
  const names = async (): Promise<readonly string[]> => await lines.getByRole("rowheader").allTextContents();
  await waitFor(async () => (await names())[0] === "worker-b3", { what: "what is wrong to come first" });
  expect((await names()).slice(0, 4)).toEqual(["worker-b3", "web-c2", "api-a1", "api-a2"]);
  expect(await page.getByRole("table").getAttribute("aria-rowcount")).toBe(String(all.length + 1));
  expect(await lines.count()).toBeLessThan(all.length);
  await desk.picture("web-fleet");

  // By keyboard: down to the last host, which is there when it is in sight; a filter; a host's page.
  await page.getByRole("region", { name: "Hosts and their watchers" }).focus();
  await page.keyboard.press("End");
  await page.getByRole("link", { name: "worker-c4" }).waitFor();
  expect(await lines.last().getAttribute("aria-rowindex")).toBe(String(all.length + 1));

  // Another host fails, far above: the lines stay until they may move.
  await fleet.tell("api-c1" as HostName, "break", { name: "search" });
  const toTop = page.getByRole("button", { name: "1 more host in trouble: to the top" });
  await toTop.waitFor();
  await page.getByText("3 hosts in trouble").waitFor();
  expect(await names()).not.toContain("api-c1");
  await toTop.click();
  await waitFor(async () => (await names()).slice(0, 3).join() === "api-c1,worker-b3,web-c2", {
    what: "the host that failed to come to the top",
  });

  await page.keyboard.press("/");
  await page.keyboard.type("role=worker zone=b is:wrong");
  await waitFor(async () => (await names()).join() === "worker-b3", { what: "the filter" });
  expect(await page.getByRole("columnheader").allTextContents()).toEqual([
    "Host",
    "Heard",
    ...["mailer", "metrics", "thumbnails"],
  ]);
  await page.getByRole("link", { name: "worker-b3" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "worker-b3" }).waitFor();
  await page.getByText("exited 5 times within 60 s").first().waitFor();

  // A rollout, while its second wave is watched.
  await page.goto(`http://127.0.0.1:${httpPort}/#/start?watcher=api&hosts=role=api`);
  await page.getByLabel("Hosts in a wave").fill("1,3,4");
  await page.getByLabel("Soak, in seconds").fill("2");
  await page.getByRole("button", { name: "Show the plan" }).click();
  await page.getByRole("button", { name: "Start it" }).click();
  await page.getByText("1 of 12 done").waitFor();
  await page.getByText("soaking").first().waitFor();
  await page.setViewportSize({ ...SIZE, height: 440 });
  await desk.picture("web-fleet-rollout");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  await page.getByRole("button", { name: "Abort" }).click();
  await page.getByRole("button", { name: /^Retry/ }).waitFor();

  await page.setViewportSize(SIZE);
  await page.emulateMedia({ colorScheme: "dark" });
  for (const [path, picture] of [
    ["", "web-dark-fleet"],
    ["rollouts", "web-dark-rollouts"],
    ["host/worker-b3", "web-dark-host"],
    ["watcher/api", "web-dark-watcher"],
  ] as const) {
    await page.goto(`http://127.0.0.1:${httpPort}/#/${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await desk.picture(picture);
  }
  expect(desk.errors).toEqual([]);
  await keep("web-fleet", "overview");
  await keep("web-fleet-rollout", "rollout");
}, 300_000);
