/** Every block of deploy/guides/from-circus.md runs as it stands, but for the ports, which are free ones here. */
import { readFile, symlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { blocksOf, fencesIn, portsHere } from "../support/pages.ts";
import { cleanEnv, projectRoot, type Result, run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

afterAll(() => assertNoLeaks());

const GUIDES = join(projectRoot, "deploy/guides");
/** That stand in the guides and in the files that they use. */
const PORTS = ["5555", "5556", "5557", "8000", "6380"];

/** Of each guide, by its name: what each block has to say, in their order. */
const SAYS: Readonly<Record<string, readonly (RegExp | "")[]>> = {
  "from-circus.md": [
    /^it does\n$/,
    /^myworker: active\n[^]*\nnumprocesses: 2\n[^]*Hello, World!\n$/,
    /^ok\nthe same processes\n$/,
    /^ok\nok\n$/,
  ],
};

async function blocks(guide: string): Promise<readonly string[]> {
  const text = await readFile(join(GUIDES, guide), "utf8");
  const found = blocksOf(text).flatMap(({ language, text: body }) => (language === "sh" ? [body] : []));
  expect(fencesIn(text)).toBe(2 * found.length); // none that is not run
  return found;
}

describe("deploy/guides", () => {
  it.each(Object.keys(SAYS))("%s", async (guide) => {
    const steps = await blocks(guide);
    const says = SAYS[guide] ?? [];
    expect(steps).toHaveLength(says.length);
    await using dir = await tempDir("circus-guide-");
    await symlink(join(projectRoot, "deploy"), dir.file("deploy"));
    const { ports, here } = await portsHere(PORTS);
    const env = {
      PATH: [join(projectRoot, "node_modules/.bin"), cleanEnv()["PATH"]].join(delimiter),
      CIRCUSCTL_ENDPOINT: `tcp://127.0.0.1:${ports.get("5555")}`,
      XDG_STATE_HOME: dir.file("state"),
    };
    /** What of the blocks so far holds for the next ones, as it would in one shell. */
    let prelude = "";
    const shell = async (script: string): Promise<Result> =>
      await run("bash", ["-euo", "pipefail", "-c", `${prelude}${script}`], { cwd: dir.path, env, deadlineMs: 90_000 });
    const edit = [...ports].map(([port, free]) => `sed -i 's/\\b${port}\\b/${free}/g' *.ini`).join("\n");
    try {
      for (const [at, step] of steps.entries()) {
        // What a block copies has other ports than its text.
        const done = await shell(here(step).replace(/^cd app\n/m, `$&${edit}\n`));
        // circusd's own log comes with it until it is in the background.
        const errors = done.stderr
          .split("\n")
          .filter((line) => line !== "" && !/^\S+ \S+ circus\[\d+\] \[INFO\] /.test(line));
        expect([guide, at, done.code, errors]).toEqual([guide, at, 0, []]);
        expect(done.stdout).toMatch(says[at] ?? /$^/);
        prelude += [...step.matchAll(/^(?:cd|export) .*\n/gm)].join("");
      }
    } finally {
      await shell("if [ -s circusd.pid ]; then circusctl quit --waiting || kill -9 $(cat circusd.pid); fi || true");
    }
  });
});
