// Bundles circusctl: a small entry, and parts that it loads by need. A plain local verb reads the entry and zeromq
// only: each file and each module that Node resolves at start-up costs a person time (design §6).
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const src = (file) => fileURLToPath(new URL(`src/${file}`, import.meta.url));
const dist = (file) => fileURLToPath(new URL(`dist/${file}`, import.meta.url));

/** `import("./fleet/main.ts")` → `require("./fleet.cjs")`: the parts are bundles of their own. */
const PARTS = {
  "fleet/main.ts": "./fleet.cjs",
  "credentials/main.ts": "./credentials.cjs",
  "oclif.ts": "./oclif.cjs",
  "clients/ssh.ts": "./ssh.cjs",
  "completion/main.ts": "./completion.cjs",
  "shell/main.ts": "./shell.cjs",
  "top/main.ts": "./top.cjs",
  "logs/main.ts": "./logs.cjs",
  "contexts/main.ts": "./contexts.cjs",
  "doctor/main.ts": "./doctor.cjs",
  "convert/main.ts": "./convert.cjs",
};
const parts = {
  name: "parts",
  setup(builder) {
    builder.onResolve({ filter: /\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind !== "dynamic-import") return undefined;
      const file = fileURLToPath(new URL(path, `file://${resolveDir}/`));
      const part = Object.entries(PARTS).find(([source]) => src(source) === file)?.[1];
      if (part === undefined) throw new Error(`${path} is loaded by need but is no part of the bundle`);
      return { path: part, external: true };
    });
  },
};

/**
 * zeromq's own JavaScript is put into the entry: resolving its seven files takes longer than running them. Its addon
 * stays where npm put it, so the line that finds it must not look beside the bundle.
 */
const zeromq = {
  name: "zeromq",
  setup(builder) {
    builder.onLoad({ filter: /zeromq\/lib\/load-addon\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const found = text.replace("__dirname", 'require("node:path").dirname(require.resolve("zeromq"))');
      if (found === text) throw new Error(`${path} finds its addon in another way now`);
      return { contents: found, loader: "js" };
    });
  },
};

const common = {
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "cjs",
  // oclif would load the compiler to run commands written in TypeScript; ours are not.
  external: ["typescript"],
  plugins: [parts, zeromq],
  // A real import() would start the ESM loader.
  supported: { "dynamic-import": false },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  logLevel: "warning",
  // zeromq is looked up only to find its addon.
  logOverride: { "require-resolve-not-external": "silent" },
};

await build({ ...common, entryPoints: [src("main.ts")], outfile: dist("circusctl.cjs") });
for (const part of [
  "fleet/main.ts",
  "credentials/main.ts",
  "clients/ssh.ts",
  "completion/main.ts",
  "shell/main.ts",
  "top/main.ts",
  "logs/main.ts",
  "contexts/main.ts",
  "doctor/main.ts",
  "convert/main.ts",
]) {
  await build({ ...common, entryPoints: [src(part)], outfile: dist(PARTS[part]) });
}
await build({
  ...common,
  entryPoints: [src("oclif.ts")],
  outfile: dist("oclif.cjs"),
  define: { "import.meta.url": "__url" },
  banner: { js: 'const __url = require("node:url").pathToFileURL(__filename).href;' },
});
