import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { checkReport, formatDiagnostics, shortPath } from "./check.ts";
import { FILE_BYTES_MAX, loadConfig, namedDirectory } from "./load.ts";

const root = mkdtempSync(join(tmpdir(), "circus-load-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function load(path: string, osEnv: Record<string, string> = {}) {
  return loadConfig(path, { osEnv, cwd: root, shortHostName: "box" });
}

function lines(path: string, osEnv?: Record<string, string>): readonly string[] {
  return formatDiagnostics(load(path, osEnv).diagnostics, root);
}

test("a main file that cannot be read is one clear line", () => {
  put("latin1.ini", new Uint8Array([0x5b, 0xe9, 0x5d]));
  put("big.ini", "#".repeat(FILE_BYTES_MAX + 1));
  expect(lines("nosuch.ini")).toEqual(["cannot read nosuch.ini: no such file"]);
  expect(lines(".")).toEqual(["cannot read .: it is a directory"]);
  expect(lines("big.ini/x")).toEqual(["cannot read big.ini/x: a part of the path is no directory"]);
  expect(lines("latin1.ini")).toEqual(["cannot read latin1.ini: it is not UTF-8 text"]);
  expect(lines("big.ini")).toEqual([`cannot read big.ini: more than ${FILE_BYTES_MAX} bytes`]);
  expect(lines("/dev/zero")).toEqual([`cannot read /dev/zero: more than ${FILE_BYTES_MAX} bytes`]);
});

test("includes: relative to the main file, globs sorted, `include` before `include_dir`, first definition wins", () => {
  put(
    "a/main.ini",
    "[circus]\ninclude = conf/$(circus.env.WHO)-*.ini\n  */deep.ini\ninclude_dir = dir\n[watcher:m]\ncmd = main\n",
  );
  put("a/conf/x-2.ini", "[watcher:w]\ncmd = two\n");
  put("a/conf/x-1.ini", "[watcher:w]\ncmd = one\n");
  put("a/conf/.x-0.ini", "[watcher:hidden]\ncmd = no\n");
  put("a/sub/deep.ini", "[watcher:m]\ncmd = lost\npriority = 3\n");
  put("a/dir/z.ini", "[watcher:z]\ncmd = z\n[watcher:w]\npriority = 7\n");
  put("a/dir/z.txt", "[watcher:txt]\ncmd = no\n");
  const { config, diagnostics } = load("a/main.ini", { WHO: "x" });
  expect(diagnostics).toEqual([]);
  expect(config?.path).toBe(join(root, "a/main.ini"));
  expect(config?.watchers.map(({ name, cmd, priority }) => [name, cmd, priority])).toEqual([
    ["m", "main", 3],
    ["w", "one", 7],
    ["z", "z", 0],
  ]);
});

test("includes that match nothing, cannot be read, include further or match the main file", () => {
  put("b/main.ini", "[circus]\ninclude = nosuch.ini *.ini sub\n[watcher:m]\ncmd = main\n");
  put("b/other.ini", "[circus]\ninclude = more.ini\n[watcher:o]\ncmd = o\n");
  put("b/sub/x", "");
  expect(lines("b/main.ini")).toEqual([
    `b/main.ini:2: include: nosuch.ini matches no file (relative to ${join(root, "b")}) (warning)`,
    "b/other.ini:2: include: only the main file's has an effect (warning)",
    `b/main.ini:2: include: cannot read ${join(root, "b/sub")}: it is a directory; it is skipped (warning)`,
  ]);
  expect(load("b/main.ini").config?.watchers.map(({ name }) => name)).toEqual(["m", "o"]);
});

test("`checkReport` has what `--check --json` prints, without any value of an environment", () => {
  put("c.ini", "[watcher:w]\ncmd = x\ncopy_env = 1\nnumproceses = 2\n");
  const report = checkReport(load("c.ini", { TOKEN: "hush" }), root);
  expect(JSON.stringify(report)).not.toContain("hush");
  expect(report).toMatchObject({
    ok: true,
    diagnostics: [{ severity: "warning", file: join(root, "c.ini"), line: 4 }],
    config: { watchers: [{ name: "w", env: { TOKEN: "***" } }] },
  });
});

test("`shortPath` takes the shorter way", () => {
  expect(shortPath("/etc/circus/a.ini", "/etc/circus")).toBe("a.ini");
  expect(shortPath("/etc/a.ini", "/home/someone/work/here")).toBe("/etc/a.ini");
});

test("files that [fleet] names are looked at, with the line of their key", () => {
  const seed = (role: string, name: string): string =>
    JSON.stringify({
      v: 1,
      fleet: "main",
      role,
      name,
      seed: "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
    });
  put("f/good.creds", seed("agent", "box"));
  put("f/other.creds", seed("agent", "web9"));
  put("f/open.creds", seed("agent", "box"));
  for (const name of ["good", "other"]) chmodSync(join(root, `f/${name}.creds`), 0o600);
  chmodSync(join(root, "f/open.creds"), 0o644);
  const fleet = (credentials: string, more = ""): string =>
    `[watcher:w]\ncmd = x\n[fleet]\nnats_url = nats://h\ncredentials = ${join(root, credentials)}\n${more}`;
  put("f/good.ini", fleet("f/good.creds"));
  expect(lines("f/good.ini")).toEqual([]);
  expect(load("f/good.ini").config?.fleet?.host).toBe("box");
  put("f/none.ini", fleet("f/none.creds", `tls_ca = ${join(root, "f/no.pem")}\n`));
  expect(lines("f/none.ini")).toEqual([
    `f/none.ini:5: credentials ${join(root, "f/none.creds")}: no such file`,
    `f/none.ini:6: TLS ca ${join(root, "f/no.pem")}: no such file`,
  ]);
  expect(load("f/none.ini").config).toBeNull();
  put("f/open.ini", fleet("f/open.creds"));
  expect(lines("f/open.ini")[0]).toMatch(/^f\/open\.ini:5: .*others may read it \(mode 644\)/);
  put("f/other.ini", fleet("f/other.creds"));
  expect(lines("f/other.ini")[0]).toMatch(/:5: .*they are of the agent web9 of fleet main, not of the agent box/);
});

test("the working directory keeps the shell's name for it, where that is the same directory (D6)", () => {
  mkdirSync(join(root, "release-1"));
  mkdirSync(join(root, "release-2"));
  symlinkSync("release-1", join(root, "current"));
  const [cwd, current] = [join(root, "release-1"), join(root, "current")];
  expect(namedDirectory(cwd, current)).toBe(current);
  for (const pwd of [undefined, "", "current", join(root, "release-2"), join(root, "gone")]) {
    expect(namedDirectory(cwd, pwd)).toBe(cwd);
  }
});
