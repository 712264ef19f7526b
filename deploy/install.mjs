// Brings node_modules to what package-lock.json says, by `npm ci`, only if it is not so already: better-sqlite3 may be
// compiled for minutes. File times say nothing after a clone or a checkout, so contents are compared.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const stampFile = join(modules, ".circus-cluster-installed");

/** The lock file and the Node (its binary interface) that node_modules were made for. */
function wantedStamp() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  return `${lock} ${process.platform}-${process.arch}-${process.versions.modules}\n`;
}

/** Whether npm's own record of node_modules, made by an `npm ci` that we did not start, agrees with package-lock.json. */
function matchesRecord() {
  const recordFile = join(modules, ".package-lock.json");
  if (!existsSync(recordFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(recordFile, "utf8")).packages;
  const differs = (path) =>
    wanted[path]?.version !== present[path]?.version || wanted[path]?.integrity !== present[path]?.integrity;
  const required = Object.keys(wanted).filter((path) => path !== "" && wanted[path].optional !== true);
  return !required.some(differs) && !Object.keys(present).some(differs);
}

/** Our own packages whose programs npm has not linked into node_modules/.bin. */
function unlinked() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return Object.entries(packages)
    .filter(([path, { bin }]) => bin !== undefined && path !== "" && !path.includes("node_modules/"))
    .filter(([, { bin }]) => Object.keys(bin).some((name) => !existsSync(join(modules, ".bin", name))))
    .map(([, { name }]) => name);
}

function npm(...args) {
  const env = { ...process.env };
  // The headers beside this Node, if it has them: a compilation then needs no network.
  const prefix = join(dirname(process.execPath), "..");
  if (existsSync(join(prefix, "include/node/node_api.h"))) env.npm_config_nodedir ??= prefix;
  const result = spawnSync("npm", args, { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (result.status !== 0) {
    console.error(
      `install: npm ${args.join(" ")} failed${result.error === undefined ? "" : `: ${result.error.message}`}`,
    );
    process.exit(1);
  }
}

export function installModules() {
  const stamp = wantedStamp();
  const present = existsSync(stampFile) ? readFileSync(stampFile, "utf8") : null;
  if (present !== stamp) {
    // What npm itself did meanwhile is fine too, but for another Node all binaries are wrong.
    const isSameNode = present === null || present.split(" ")[1] === stamp.split(" ")[1];
    if (!isSameNode || !matchesRecord()) {
      console.error("install: npm ci (the first time this may compile better-sqlite3, a minute or two)");
      npm("ci");
    }
    writeFileSync(stampFile, stamp);
  }
}

/** Call it after the build: what is to be linked may have been built only then. */
export function linkPrograms() {
  const names = unlinked();
  if (names.length > 0) npm("rebuild", "--ignore-scripts", ...names);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (process.argv[2] === "--link") linkPrograms();
  else installModules();
}
