/** What agent/README.md shows of plugins and of the client is true. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { blocksOf, sectionOf } from "../support/pages.ts";
import { projectRoot, run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

afterAll(() => assertNoLeaks());

/** The blocks of a language in one section. */
async function blocks(section: string, language: string): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, "agent/README.md"), "utf8");
  const own = blocksOf(sectionOf(text, section));
  return own.flatMap((block) => (block.language === language ? [block.text] : []));
}

it("the example of a program runs as it stands", async () => {
  const [example = ""] = await blocks("From a program", "js");
  await using agent = await startAgent({ sections: { "watcher:web": { cmd: "sleep 1000", numprocesses: 2 } } });
  const result = await run("node", ["--input-type=module"], {
    ...{ input: example, cwd: projectRoot, env: { CIRCUSCTL_ENDPOINT: agent.endpoint }, deadlineMs: 60_000 },
  });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.stdout).toMatch(
    /^\[ 'web' \]\n\{[^}]*numprocesses: 2,[^}]*watcher_name: 'web'[^}]*\}\nweb spawn \d+\n$/,
  );
});

it("the plugins' sections are good configurations", async () => {
  await using dir = await tempDir("circus-readme-");
  const shown = await blocks("Plugins", "ini");
  expect(shown).toHaveLength(2);
  for (const block of shown) {
    const file = await dir.write("circus.ini", `[watcher:web]\ncmd = sleep 1\n\n${block}`);
    expect(await run("circusd", ["--check", file])).toMatchObject({ code: 0, stdout: "", stderr: "" });
  }
});
