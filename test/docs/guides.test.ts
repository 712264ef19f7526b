/** Guides for one host: every block runs as it stands, from the top of a checkout, but for the ports, which are free ones here. */
import { existsSync } from "node:fs";
import { chmod, cp, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkIni } from "../support/ini-blocks.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { portsHere } from "../support/pages.ts";
import { cleanEnv, projectRoot, type Result, run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { OwnBlocks } from "./taken.ts";

afterAll(() => assertNoLeaks());

/** That stand in the guides and in the files that they use. */
const PORTS = ["5555", "5556", "5557", "8000", "6380"];

/** By page and section: what each block of `sh` has to say, in their order. */
const PAGES: readonly (readonly [string, string | undefined, readonly RegExp[]])[] = [
  ["README.md", "One host", [/^Hello, World!\nmyworker: active\nok\nok\n$/]],
  [
    "deploy/guides/from-circus.md",
    undefined,
    [
      /^it does\n$/,
      /^myworker: active\n[^]*\nnumprocesses: 2\n[^]*Hello, World!\n$/,
      /^ok\nthe same processes\n$/,
      /^ok\nok\n$/,
    ],
  ],
  ["cli/README.md", "From supervisord", [/^$/]],
];

/** With `npm run pages`. */
const SUPERVISORD: (typeof PAGES)[number] = [
  "deploy/guides/from-supervisord.md",
  undefined,
  [
    /^supervisord\.conf:\d+: [^]*\ncircusd takes it\n$/,
    /^\[circus\]\n[^]*\[watcher:web\]\n/,
    /^ok\nit serves\n[^]*web: active\n$/,
    /^\d+\n[^]*ok\nok\n[^]*job[^\n]*: stopped\n[^]*web: active\nok\nok\n$/,
    /^the same process\nok\n$/,
  ],
];
const pages = process.env["PAGES"] === undefined ? PAGES : [...PAGES, SUPERVISORD];

/** What takes too long, or has been done already. */
const NPM = `#!/bin/sh
case $* in ci | "run build") ;; *) echo "npm $*: not played here" >&2; exit 1 ;; esac
`;

const own = await OwnBlocks.of("test/docs/guides.test.ts");

describe("pages of one host", () => {
  it.each(pages)("%s %s", async (page, section, says) => {
    const shown = own.take(page, section);
    const { ports, here } = await portsHere(PORTS);
    await using dir = await tempDir("circus-guide-");
    await cp(join(projectRoot, "deploy/examples"), dir.file("deploy/examples"), { recursive: true });
    await symlink(join(projectRoot, "node_modules"), dir.file("node_modules"));
    const wsgi = dir.file("deploy/examples/wsgi");
    for (const name of (await readdir(wsgi)).filter((file) => file.endsWith(".ini"))) {
      await writeFile(join(wsgi, name), here(await readFile(join(wsgi, name), "utf8")));
    }
    if (page === "cli/README.md")
      await dir.write("supervisord.conf", "[program:web]\ncommand = sleep 1000\nautorestart = true\n");
    await chmod(await dir.write("bin/npm", NPM), 0o755);
    const env = {
      PATH: [dir.file("bin"), join(projectRoot, "node_modules/.bin"), cleanEnv()["PATH"]].join(delimiter),
      CIRCUSCTL_ENDPOINT: `tcp://127.0.0.1:${ports.get("5555")}`,
      XDG_STATE_HOME: dir.file("state"),
    };
    /** What of the blocks so far holds for the next ones, as it would in one shell. */
    let prelude = "";
    const shell = async (script: string): Promise<Result> =>
      await run("bash", ["-euo", "pipefail", "-c", `${prelude}${script}`], { cwd: dir.path, env, deadlineMs: 90_000 });
    /** A file without endpoints has the usual ones: those of here. */
    const withEndpoints = async (file: string): Promise<void> => {
      const text = existsSync(file) ? await readFile(file, "utf8") : "endpoint";
      if (text.includes("endpoint")) return;
      const endpoints = ["endpoint = tcp://127.0.0.1:5555", "pubsub_endpoint = tcp://127.0.0.1:5556"].map(here);
      await writeFile(file, text.replace("[circus]\n", `$&${endpoints.join("\n")}\n`));
    };
    const steps = shown.filter(({ language }) => language === "sh" || language === "");
    expect(steps).toHaveLength(says.length);
    try {
      for (const { text } of shown.filter(({ language }) => language === "ini")) {
        expect(await checkIni(text)).toMatchObject({ code: 0, stdout: "", stderr: "" });
      }
      for (const [at, { text: step }] of steps.entries()) {
        const done = await shell(here(step));
        // circusd's own log comes with it until it is in the background.
        const errors = done.stderr
          .split("\n")
          .filter((line) => line !== "" && !/^\S+ \S+ circus\[\d+\] \[INFO\] /.test(line));
        expect([page, at, done.code, errors]).toEqual([page, at, 0, []]);
        expect(done.stdout).toMatch(says[at] ?? /$^/);
        await withEndpoints(dir.file("circus.ini"));
        prelude += [...step.matchAll(/^(?:cd|export) .*\n/gm)].join("");
      }
    } finally {
      await shell("if [ -s circusd.pid ]; then circusctl quit --waiting || kill -9 $(cat circusd.pid); fi || true");
    }
  });

  it("have no block that was not run", () => {
    expect(own.left.filter((place) => pages.includes(SUPERVISORD) || !place.startsWith(SUPERVISORD[0]))).toEqual([]);
  });
});
