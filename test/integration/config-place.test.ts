/** Whether circusd may replace its configuration file, as the user that it runs as and on the mount that the file is on. */
import { spawnSync } from "node:child_process";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { permitted } from "../support/namespaces.ts";
import { projectRoot } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

const NOBODY = 65_534;
const PLACE = join(projectRoot, "agent/dist/config-push/place.js");
const LOOK = `import(${JSON.stringify(PLACE)}).then(({ placeProblem }) => console.log(placeProblem(process.argv[1])))`;
const isRoot = process.getuid?.() === 0;

/** What is wrong with the place, as a process says that is started by these words. */
function problemOf(path: string, words: readonly string[]): string {
  const [file, ...args] = [...words, process.execPath, "-e", LOOK, path];
  const { stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.trimEnd();
}

const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
/** The project may be where nobody else may look. */
const isForEverybody =
  isRoot && spawnSync(asNobody[0]!, [...asNobody.slice(1), process.execPath, "-e", `import("${PLACE}")`]).status === 0;

if (isForEverybody) {
  it("an ordinary user's circusd replaces its own file, and says of another's why it cannot", async () => {
    await using dir = await tempDir("config-place-");
    await chmod(dir.path, 0o755);
    const path = await dir.write("etc/circus.ini", "[circus]\n");
    expect(problemOf(path, asNobody)).toBe(
      `cannot replace ${path}: circusd runs as uid ${NOBODY}, which may not write to its directory`,
    );
    await chown(dir.file("etc"), NOBODY, NOBODY);
    expect(problemOf(path, asNobody)).toBe(
      `cannot replace ${path}: it belongs to uid 0, and circusd runs as uid ${NOBODY}`,
    );
    await chown(path, NOBODY, NOBODY);
    expect(problemOf(path, asNobody)).toBe("null");
  });
}

if (isRoot && permitted()) {
  it("a file on a read-only mount cannot be replaced, by root either", async () => {
    await using dir = await tempDir("config-place-");
    const path = await dir.write("etc/circus.ini", "[circus]\n");
    await mkdir(dir.file("mounted"));
    const mount = 'mount --bind -o ro "$1" "$2" && shift 2 && exec "$@"';
    const inside = ["unshare", "--mount", "sh", "-c", mount, "sh", dir.file("etc"), dir.file("mounted")];
    const seen = dir.file("mounted/circus.ini");
    expect(problemOf(seen, inside)).toBe(
      `cannot replace ${seen}: it is on a file system, or a mount of its own, that is read-only`,
    );
    expect(problemOf(path, inside)).toBe("null");
  });
}
