/** Each configuration of deploy/guides/zero-downtime.md is run under load, and each command as it stands but for ports and paths. */
import { cp, mkdir, symlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { startLoad } from "../support/load.ts";
import { portsHere } from "../support/pages.ts";
import { cleanEnv, exampleDir, projectRoot, run, startProgram } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { OwnBlocks } from "./taken.ts";

afterAll(() => assertNoLeaks());

const deadlineMs = 60_000;
const BIN = [join(exampleDir, "bin"), join(projectRoot, "node_modules/.bin"), cleanEnv()["PATH"] ?? ""].join(delimiter);

const PORTS = ["5555", "5556", "8000", "6380"];

const own = await OwnBlocks.of("test/docs/zero-downtime.test.ts");

async function release(dir: TempDir, version: number, server: string | undefined): Promise<void> {
  const path = dir.file("releases", String(version));
  await mkdir(path, { recursive: true });
  await cp(join(exampleDir, "app.py"), join(path, "app.py"));
  if (server !== undefined) await dir.write(`releases/${version}/server.mjs`, server);
}

describe("deploy/guides/zero-downtime.md", () => {
  it.each(["The release", "gunicorn", "Node", "Redis"])(
    "%s: every reload under load, no failed request",
    async (section) => {
      await using dir = await tempDir("circus-guide-");
      const { ports, here: withPorts } = await portsHere(PORTS);
      const here = (text: string): string => withPorts(text).replaceAll("/srv/web", dir.path);
      const port = ports.get("8000") ?? 0;
      const shown = own.take("deploy/guides/zero-downtime.md", section);
      const of = (language: string): readonly string[] =>
        shown.filter((block) => block.language === language).map(({ text }) => here(text));
      expect(shown.length).toBe(of("ini").length + of("sh").length + of("js").length);
      const [server] = of("js");
      for (const version of [1, 2]) await release(dir, version, server);
      await symlink(dir.file("releases", "1"), dir.file("current"));
      const [ini = ""] = of("ini");
      const endpoint = /^endpoint = (.*)$/m.exec(ini)?.[1] ?? "";
      const env = { PATH: BIN, CIRCUSCTL_ENDPOINT: endpoint };
      await using circusd = await startProgram("circusd", [await dir.write("circus.ini", ini)], { cwd: dir.path, env });
      const ask = (script: string) => run("sh", ["-ec", script], { cwd: dir.path, env, deadlineMs });
      await waitFor(async () => circusd.isRunning && /^web: active$/m.test((await ask("circusctl status")).stdout), {
        what: "the example to run",
        deadlineMs,
        everyMs: 100,
      });
      const pids = async (): Promise<string> => (await ask("circusctl list web")).stdout;
      await using load = startLoad({ port, workers: 4, expect: "Hello, World!\n", timeoutMs: deadlineMs });
      expect(of("sh").length).toBeGreaterThan(0);
      for (const script of of("sh")) {
        const [before, requests] = [await pids(), load.requests];
        const { code, stdout, stderr } = await ask(script);
        expect({ code, stderr }, `${script}${stdout}`).toEqual({ code: 0, stderr: "" });
        const after = await pids();
        expect(
          after
            .trim()
            .split(",")
            .filter((pid) => before.includes(pid)),
        ).toEqual([]);
        await waitFor(() => load.requests > requests + 20, { what: "more requests", deadlineMs });
      }
      expect((await load.stop()).failures).toEqual([]);
      expect(await ask("circusctl quit --waiting")).toMatchObject({ code: 0 });
      expect(await circusd.exited).toMatchObject({ code: 0 });
    },
  );

  it("has run every block", () => {
    expect(own.left).toEqual([]);
  });
});
