/**
 * The packages as npm packs them, unpacked where nothing of this repository is but the third-party packages that each
 * of them declares.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { OwnBlocks } from "../docs/taken.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { projectRoot, run, startProgram } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const SCOPE = "@circus-cluster/";
const NAMES = ["proto", "agent", "controller", "cli"] as const;
let dir: TempDir;
let packed: readonly Packed[];
/** As `npm install --prefix` makes it. */
let prefix: string;

beforeAll(async () => {
  dir = await tempDir();
  prefix = dir.file("prefix");
  const words = NAMES.flatMap((name) => ["-w", name]);
  const made = await run("npm", ["pack", "--json", "--pack-destination", dir.path, ...words], {
    cwd: projectRoot,
    deadlineMs: 60_000,
  });
  expect([made.code, made.code === 0 ? "" : made.stderr]).toEqual([0, ""]);
  packed = Object.values(JSON.parse(made.stdout) as Record<string, Packed>);
  for (const { name, filename } of packed) await unpack(name, dir.file(filename));
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});

async function unpack(name: string, tarball: string): Promise<void> {
  const home = join(prefix, "node_modules", name);
  await mkdir(home, { recursive: true });
  const { code } = await run("tar", ["-xzf", tarball, "-C", home, "--strip-components=1"]);
  expect(code).toBe(0);
  const manifest = JSON.parse(await readFile(join(home, "package.json"), "utf8")) as Manifest;
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    if (dependency.startsWith(SCOPE)) continue;
    const place = join(prefix, "node_modules", dependency);
    await mkdir(dirname(place), { recursive: true });
    // Two of ours may want the same.
    if (!existsSync(place)) await symlink(homeOf(dependency, name), place);
  }
  for (const [program, file] of Object.entries(manifest.bin ?? {})) {
    await mkdir(join(prefix, "node_modules/.bin"), { recursive: true });
    await symlink(join(home, file), join(prefix, "node_modules/.bin", program));
  }
}

/** Where the repository has it, for one of its packages. */
function homeOf(dependency: string, user: string): string {
  const { resolve } = createRequire(join(projectRoot, user.slice(SCOPE.length), "package.json"));
  const found = resolve.paths(dependency)?.map((path) => join(path, dependency));
  const home = found?.find((path) => existsSync(join(path, "package.json")));
  if (home === undefined) throw new Error(`${dependency} is not installed`);
  return home;
}

it("are those that deploy/README.md packs and installs, with their programs", async () => {
  const own = await OwnBlocks.of("test/integration/packages.test.ts");
  const text = own.take("deploy/README.md")[0]?.text ?? "";
  expect(own.left).toEqual([]);
  expect([...text.matchAll(/ -w (\w+)/g)].map(([, name]) => name).sort()).toEqual([...NAMES].sort());
  const [, pattern = ""] = /\.\/(\S+)\*\.tgz/.exec(text) ?? [];
  for (const { filename } of packed) expect(filename.startsWith(pattern)).toBe(true);
  const [, programs = ""] = /\.bin\/(\w+)\*/.exec(text) ?? [];
  const installed = await readdir(join(prefix, "node_modules/.bin"));
  expect(installed.filter((name) => name.startsWith(programs)).sort()).toEqual(installed.sort());
});

it("hold what runs, its licence and its page, and nothing else", () => {
  expect(packed.map(({ name }) => name).sort()).toEqual(NAMES.map((name) => SCOPE + name).sort());
  for (const { name, files } of packed) {
    const paths = files.map(({ path }) => path);
    expect(paths).toContain("LICENSE");
    if (name !== `${SCOPE}proto`) expect(paths).toContain("README.md");
    expect(paths.filter((path) => /(^|\/)src\/|\.test\.|\.fixture\.|\.map$|tsbuildinfo/.test(path))).toEqual([]);
  }
});

it("run a host from their tarballs: circusd, circusctl, circus-controller and the library", async () => {
  const program = (name: string): string => join(prefix, "node_modules/.bin", name);
  const options = { cwd: prefix };
  const [endpoint, pubsub] = await freePorts(2);
  const ini = await dir.write(
    "circus.ini",
    `[circus]
endpoint = tcp://127.0.0.1:${endpoint}
pubsub_endpoint = tcp://127.0.0.1:${pubsub}
[watcher:sleeper]
cmd = sleep 1000
[plugin:flapping]
use = circus.plugins.flapping.Flapping
`,
  );
  const env = { CIRCUSCTL_ENDPOINT: `tcp://127.0.0.1:${endpoint}` };
  await using circusd = await startProgram(program("circusd"), [ini], options);
  await circusd.waitForLine(/watcher started watcher=sleeper/);
  const ask = (...words: string[]) => run(program("circusctl"), words, { ...options, env });
  expect(await ask("status")).toMatchObject({ code: 0, stdout: "plugin:flapping: active\nsleeper: active\n" });
  // Parts that are loaded by need.
  expect(await ask("help", "rollout", "list")).toMatchObject({ code: 0, stderr: "" });
  expect(await ask("completion", "bash")).toMatchObject({ code: 0, stderr: "" });
  expect((await ask("--all", "status")).stderr).toMatch(/^circusctl: .*--nats/);
  const library = `
    import { CircusClient } from "@circus-cluster/agent/client";
    import { Arbiter } from "@circus-cluster/agent";
    const client = new CircusClient({ endpoint: process.env.CIRCUSCTL_ENDPOINT });
    console.log(typeof Arbiter, Object.keys((await client.call("status")).statuses).join());
    client.close();
  `;
  const file = join(prefix, "program.mjs");
  await writeFile(file, library);
  expect(await run(process.execPath, [file], { ...options, env })).toMatchObject({
    code: 0,
    stdout: "function plugin:flapping,sleeper\n",
  });
  expect(await ask("quit")).toMatchObject({ code: 0 });
  expect(await circusd.exited).toEqual({ code: 0, signal: null });

  const controllerIni = await dir.write(
    "controller.ini",
    `[controller]\nnats_url = nats://127.0.0.1:1\nstate_dir = state\n`,
  );
  const checked = await run(program("circus-controller"), ["check", controllerIni, "--json"], options);
  expect([checked.code, checked.stderr, JSON.parse(checked.stdout)]).toMatchObject([0, "", { ok: true }]);
  const page = join(prefix, "node_modules", SCOPE, "controller/dist/web/index.html");
  expect(await readFile(page, "utf8")).toContain("<script");
});
