// Runs a TypeScript program on any Node of the floor and above: bundles it (packages stay outside) and imports it.
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const entry = resolve(process.argv[2] ?? join(here, "main.ts"));
// Beside the sources, so that packages resolve from the project.
const dir = mkdtempSync(join(here, ".run-"));
process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
const outfile = join(dir, "main.mjs");
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  // The support finds the project by where its own files are: two levels below the root, as these.
  define: { "import.meta.url": JSON.stringify(pathToFileURL(join(here, "main.ts")).href) },
});
await import(pathToFileURL(outfile).href);
