// Bundles the web page into dist/web: three files and an icon, nothing of which comes from another host at run time.
import { copyFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = (file) => fileURLToPath(new URL(`web/${file}`, import.meta.url));
const out = (file) => fileURLToPath(new URL(`dist/web/${file}`, import.meta.url));

await mkdir(out("."), { recursive: true });
await build({
  entryPoints: { app: web("src/main.tsx"), style: web("src/style.css") },
  entryNames: "[name]",
  outdir: out("."),
  bundle: true,
  format: "esm",
  target: ["es2022", "chrome120", "firefox121", "safari17"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  sourcemap: false,
  // Who wrote the libraries in it, and under which licence.
  legalComments: "eof",
  logLevel: "warning",
});
for (const file of ["index.html", "icon.svg"]) await copyFile(web(file), out(file));
