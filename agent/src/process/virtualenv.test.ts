import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { virtualenvEnv } from "./virtualenv.ts";

const dir = mkdtempSync(join(tmpdir(), "virtualenv-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** A virtual environment with these versions. */
function make(name: string, ...versions: string[]): string {
  const root = join(dir, name);
  mkdirSync(join(root, "bin"), { recursive: true });
  for (const version of versions) mkdirSync(join(root, "lib", version, "site-packages"), { recursive: true });
  return root;
}

it("puts bin before PATH, and the packages around PYTHONPATH", () => {
  const root = make("plain", "python3.11");
  const site = join(root, "lib/python3.11/site-packages");
  mkdirSync(join(site, "egg"));
  writeFileSync(join(site, "b.pth"), "import os; os.abort()\n# comment\n\n./egg\n/no/such/path\n/usr\n");
  writeFileSync(join(site, "a.pth"), "/tmp\r\n");
  mkdirSync(join(site, "dir.pth"));
  expect(virtualenvEnv({ PATH: "/bin", PYTHONPATH: "/old", A: "1" }, root, null)).toEqual({
    ok: true,
    env: { A: "1", PATH: `${root}/bin:/bin`, PYTHONPATH: `/tmp:${site}/egg:/usr:/old:${site}` },
  });
});

it("makes both where there were none", () => {
  const root = make("bare", "pypy3.9");
  const env = { PATH: `${root}/bin`, PYTHONPATH: `${root}/lib/pypy3.9/site-packages` };
  expect(virtualenvEnv({}, root, null)).toEqual({ ok: true, env });
  expect(virtualenvEnv({}, root, "3.9")).toEqual({ ok: true, env });
});

it("wants to know which of several versions, and takes CPython's before PyPy's", () => {
  const root = make("several", "python3.9", "python3.11", "pypy3.9");
  expect(virtualenvEnv({}, root, null)).toEqual({
    ok: false,
    reason: `virtualenv: ${root}/lib has pypy3.9, python3.11, python3.9: say which by virtualenv_py_ver`,
  });
  expect(virtualenvEnv({}, root, "3.9")).toMatchObject({
    env: { PYTHONPATH: join(root, "lib/python3.9/site-packages") },
  });
});

it.each([
  ["/no/such/venv", null, "virtualenv: /no/such/venv/lib/python*/site-packages does not exist"],
  [
    "/no/such/venv",
    "3.8",
    "virtualenv: /no/such/venv/lib/python3.8/site-packages, /no/such/venv/lib/pypy3.8/site-packages does not exist",
  ],
])("says what is missing: %s %s", (root, version, reason) => {
  expect(virtualenvEnv({}, root, version)).toEqual({ ok: false, reason });
});
