/** What agent/README.md shows of the program, its configuration and the client is true. */
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { checkIni } from "../support/ini-blocks.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { projectRoot, run } from "../support/process.ts";
import { OwnBlocks } from "./taken.ts";

afterAll(() => assertNoLeaks());

const PAGE = "agent/README.md";
const own = await OwnBlocks.of("test/docs/agent-readme.test.ts");

it("the program takes the options that are shown, and no others", async () => {
  const [usage] = own.take(PAGE, "The program");
  const { stdout } = await run("circusd", ["--help"]);
  const optionsOf = (text: string): readonly string[] => [...new Set(text.match(/--[a-z][a-z-]*/g))].sort();
  const shown = optionsOf(usage?.text ?? "");
  expect(optionsOf(stdout).filter((option) => option !== "--help")).toEqual(shown);
});

it("the example of a program runs as it stands", async () => {
  const [example] = own.take(PAGE, "From a program");
  await using agent = await startAgent({ sections: { "watcher:web": { cmd: "sleep 1000", numprocesses: 2 } } });
  const result = await run("node", ["--input-type=module"], {
    ...{ input: example?.text ?? "", cwd: projectRoot, env: { CIRCUSCTL_ENDPOINT: agent.endpoint } },
    deadlineMs: 60_000,
  });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.stdout).toMatch(
    /^\[ 'web' \]\n\{[^}]*numprocesses: 2,[^}]*watcher_name: 'web'[^}]*\}\nweb spawn \d+\n$/,
  );
});

it.each(["Health, order, failure", "Streams", "Metrics", "Hooks", "Plugins", "Jobs"])(
  "%s: circusd takes what is shown, without a warning",
  async (section) => {
    for (const { text, line } of own.take(PAGE, section)) {
      const others = ["db", "cache"].map((name) => `[watcher:${name}]\ncmd = sleep 1\n`).join("\n");
      const needs = text.includes("[watcher:web]") ? others : `${others}\n[watcher:web]\ncmd = sleep 1\n`;
      expect([line, await checkIni(`${needs}${text}`)]).toMatchObject([line, { code: 0, stdout: "", stderr: "" }]);
    }
  },
);

it("has run every block", () => {
  expect(own.left).toEqual([]);
});
