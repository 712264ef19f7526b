/** Every block of every page is run by a test: this fails for one that nobody has. */
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf } from "../support/pages.ts";
import { projectRoot } from "../support/process.ts";
import { isAsShown, stepsOf } from "../support/sessions.ts";
import { OWNERS } from "./owners.ts";
import { ownerOf } from "./taken.ts";

/** Written by `reference.test.ts` from tables, and drawings of what is where: nothing to run. */
const NOT_RUN = new Set(["agent/KEYS.md", "cli/COMMANDS.md", "controller/KEYS.md", "ARCHITECTURE.md"]);

async function pages(below = ""): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(projectRoot, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory() && !/^(?:\..*|node_modules|dist|coverage)$/.test(entry.name))
      found.push(...(await pages(path)));
    else if (entry.isFile() && entry.name.endsWith(".md")) found.push(path);
  }
  return found;
}

/** `PAGE:LINE` of blocks that no test has. */
function unclaimed(page: string, text: string): readonly string[] {
  return blocksOf(text).flatMap(({ section, line }) =>
    ownerOf(page, section) === undefined ? [`${page}:${line}`] : [],
  );
}

describe("the documentation", () => {
  it("has no block that no test runs", async () => {
    const all = await pages();
    expect(all).toContain("README.md");
    for (const page of all.filter((name) => !NOT_RUN.has(name))) {
      expect(unclaimed(page, await readFile(join(projectRoot, page), "utf8"))).toEqual([]);
    }
  });

  it("has the pages and sections that tests say they run, and tests that take them", async () => {
    for (const [page, owners] of Object.entries(OWNERS)) {
      const blocks = blocksOf(await readFile(join(projectRoot, page), "utf8"));
      for (const [section, test] of Object.entries(owners)) {
        const taken = blocks.filter((block) => ownerOf(page, block.section) === test);
        expect([page, section, taken.length > 0]).toEqual([page, section, true]);
        const file = join(projectRoot, test);
        expect([test, existsSync(file) && readFileSync(file, "utf8").includes(`OwnBlocks.of("${test}")`)]).toEqual([
          test,
          true,
        ]);
      }
    }
  });

  it("would be found out: a block without an owner, output that is another one", () => {
    expect(unclaimed("deploy/README.md", "## Packages\n```\nls\n```\n## New\n\n```sh\nls\n```\n")).toEqual([
      "deploy/README.md:7",
    ]);
    expect(() => blocksOf("```sh\nls\n")).toThrow("the block that begins on line 1 does not end");
    const [step] = stepsOf("$ circusctl status\nweb: active\n…\n14:05:03  pid 4711, 2 of 3 after 4s\n");
    const said = (last: string): boolean => isAsShown(step?.said ?? [], ["web: active", "x", "y", last]);
    expect(said("09:00:00  pid 12, 2 of 4 after 1m30s")).toBe(false);
    expect(said("09:00:00  pid 1234, 2 of 3 after 1m30s")).toBe(true);
    expect(said("09:00:00  pid 1234, 1 of 3 after 4s")).toBe(false);
    expect(isAsShown(step?.said ?? [], ["web: active"])).toBe(false);
  });

  it("links to pages and headings that there are", async () => {
    const anchors = new Map<string, ReadonlySet<string>>();
    const all = await pages();
    for (const page of all) anchors.set(page, anchorsOf(await readFile(join(projectRoot, page), "utf8")));
    for (const page of all) {
      const text = await readFile(join(projectRoot, page), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)) {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? page : join(page, "..", path);
        expect([page, target, existsSync(join(projectRoot, file))]).toEqual([page, target, true]);
        if (anchor !== undefined) expect([page, target, anchors.get(file)?.has(anchor)]).toEqual([page, target, true]);
      }
    }
  });
});

/** As GitHub makes them of headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
