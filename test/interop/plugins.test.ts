/** Plugins in Python, as they are, started by circusd with Circus's launch line (reference §9.1). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { projectRoot } from "../support/process.ts";
import { python } from "../support/python.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { udpReceiver } from "../support/udp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const deadlineMs = 60_000;

async function report(dir: TempDir): Promise<Record<string, unknown>[]> {
  const text = await readFile(dir.file("report"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

it("one that knows the wire alone gets its options, hears events and gives commands", async () => {
  await using dir = await tempDir("circus-plugin-");
  const source = await readFile(join(projectRoot, "test/fixtures/own_plugin.py"), "utf8");
  await dir.write("lib/circus/__init__.py", "");
  await dir.write("lib/circus/plugins.py", source);
  await using agent = await startAgent({
    sections: {
      circus: { check_delay: 2.5 },
      "watcher:Note Me": { cmd: "sleep 1000", autostart: false },
      "plugin:my own": {
        ...{ use: "my.pkg.Own", python: python(), report: dir.file("report"), priority: 5 },
        motto: "it's a = b; and: c",
      },
      "env:plugin:*": { PYTHONPATH: dir.file("lib") },
    },
  });
  await waitFor(() => report(dir), { what: "the plugin to start", deadlineMs });
  expect((await agent.call("status"))["statuses"]).toEqual({ "Note Me": "stopped", "plugin:my own": "active" });
  // It may have subscribed a moment after it wrote that line.
  const [, heard] = await waitFor(
    async () => {
      await agent.call("restart", { name: "note me", waiting: true });
      const lines = await report(dir);
      return lines.length > 1 && lines;
    },
    { what: "the plugin to hear of the spawn", deadlineMs, everyMs: 300 },
  );
  const [{ config, ...started } = {}] = await report(dir);
  expect(started).toEqual({ check_delay: 2.5, plugin: "my.pkg.Own" });
  expect(config).toEqual({
    ...{ name: "plugin:my own", report: dir.file("report"), priority: "5", motto: "it's a = b; and: c" },
  });
  // It knows the watcher by the name in its events only (D4), and sends no id.
  expect(heard).toEqual({ pid: expect.any(Number) as number, reply: ["active", null] });
  await waitFor(async () => (await agent.call("numprocesses", { name: "note me" }))["numprocesses"] === 2, {
    what: "its cast to be done",
    deadlineMs,
  });
});

const circus = process.env["CIRCUS_SRC"];
if (circus !== undefined) {
  describe("Circus's own classes, from a checkout", () => {
    const real = { python: python() };
    const env = { "env:plugin:*": { PYTHONPATH: circus } };

    it("Flapping stops what crashes and starts it again", async () => {
      await using agent = await startAgent({
        sections: {
          "watcher:my bad": { cmd: "sh -c 'exit 3'" },
          "plugin:flapping": { use: "circus.plugins.flapping.Flapping", ...real, retry_in: 1, max_retry: -1 },
          ...env,
        },
      });
      const becomes = (word: string) =>
        waitFor(async () => (await agent.call("status", { name: "my bad" }))["status"] === word, {
          what: `the watcher to be ${word}`,
          deadlineMs,
          everyMs: 2,
        });
      await becomes("stopped");
      await becomes("active");
      await becomes("stopped");
    });

    it("FullStats and a class of one's own on Circus's base send what they should", async () => {
      await using dir = await tempDir("circus-plugin-");
      using statsd = await udpReceiver();
      await dir.write(
        "own.py",
        [
          "from circus.plugins import CircusPlugin",
          "class Own(CircusPlugin):",
          "    name = 'own'",
          "    def __init__(self, *args, **config):",
          "        super(Own, self).__init__(*args, **config)",
          "    def handle_recv(self, data):",
          "        name, event, message = self.split_data(data)",
          "        if event == 'start' and name == 'late':",
          "            pids = self.call('list', name=name)['pids']",
          "            with open(self.config['report'], 'a') as f:",
          '                f.write(\'{"pids": %d, "delay": %s}\\n\' % (len(pids), self.check_delay))',
        ].join("\n"),
      );
      await using agent = await startAgent({
        sections: {
          circus: { check_delay: 3 },
          "watcher:web": { cmd: "sleep 1000", numprocesses: 3 },
          "watcher:late": { cmd: "sleep 1000", autostart: false },
          "plugin:full": {
            ...{ use: "circus.plugins.statsd.FullStats", ...real, loop_rate: 0.5 },
            ...{ host: "127.0.0.1", port: statsd.port },
          },
          "plugin:own": { use: "own.Own", report: dir.file("report"), python: python() },
          "env:plugin:*": { PYTHONPATH: `${circus}:${dir.path}` },
        },
      });
      await statsd.waitFor(/^circus\.app\.watcher\._stats\.web\.watchers_num:3\|g$/);
      await statsd.waitFor(/^circus\.app\.watcher\._stats\.web\.mem_sum:[1-9]\d*\|g$/);
      const [line] = await waitFor(
        async () => {
          await agent.call("restart", { name: "late", waiting: true });
          return await report(dir);
        },
        { what: "the plugin to hear of a start", deadlineMs, everyMs: 300 },
      );
      expect(line).toEqual({ pids: 1, delay: 3 });
    });
  });
}
