/** The manual pages that each package ships: made from the tables, whole, and of good roff. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { KEYS } from "../../agent/src/config/keys.ts";
import { GLOBAL_OPTIONS, VERBS } from "../../cli/src/verbs.ts";
import { projectRoot, run } from "../support/process.ts";

interface Manifest {
  readonly man: string;
  readonly bin: Readonly<Record<string, string>>;
}

const PROGRAMS = ["circusctl", "circusd", "circus-controller"] as const;
const PACKAGES: Readonly<Record<(typeof PROGRAMS)[number], string>> = {
  circusctl: "cli",
  circusd: "agent",
  "circus-controller": "controller",
};

async function pageFile(program: (typeof PROGRAMS)[number]): Promise<string> {
  const home = join(projectRoot, PACKAGES[program]);
  const { man, bin } = JSON.parse(await readFile(join(home, "package.json"), "utf8")) as Manifest;
  expect(Object.keys(bin)).toContain(program);
  return join(home, man);
}

/** What a reader sees, without the marks of roff. */
async function plainPage(program: (typeof PROGRAMS)[number]): Promise<string> {
  const roff = await readFile(await pageFile(program), "utf8");
  const plain = roff
    .replaceAll(/\\\[u([0-9A-F]{4,6})\]/g, (_, code: string) => String.fromCodePoint(parseInt(code, 16)))
    .replaceAll(/\\f[BRI]/g, "");
  return plain.replaceAll("\\&", "").replaceAll("\\-", "-").replaceAll("\\e", "\\");
}

describe("manual pages", () => {
  it("circusctl.1 has every command, option and example", async () => {
    const page = await plainPage("circusctl");
    for (const { name, summary, options, examples } of VERBS.values()) {
      expect(page).toContain(`\n.SS "${name}`);
      expect(page).toContain(summary);
      for (const option of [...options, ...GLOBAL_OPTIONS]) expect(page).toContain(`--${option.name}`);
      for (const example of examples) expect(page).toContain(`\ncircusctl ${example}\n`);
    }
  });

  it("circusd.1 has every key of circus.ini and every option", async () => {
    const page = await plainPage("circusd");
    for (const { key } of KEYS.filter(({ supported }) => supported)) expect(page).toContain(`\n${key} (`);
    const { stdout } = await run("circusd", ["--help"]);
    for (const [option] of stdout.matchAll(/--[a-z-]+(?= )/g)) expect(page).toContain(option);
  });

  it("circus-controller.1 says what --help says", async () => {
    const page = await plainPage("circus-controller");
    const { stdout } = await run("circus-controller", ["--help"]);
    for (const line of stdout.split("\n")) expect(page).toContain(line.replace(/^usage: /, "").trim());
  });

  it("hold no line that roff would take for something else", async () => {
    for (const program of PROGRAMS) {
      for (const line of (await readFile(await pageFile(program), "utf8")).split("\n")) {
        expect(line).toMatch(/^(?:\.(?:TH|SH|SS) .*|\.(?:TP|PP|nf|fi)|[^.'].*|)$/);
        expect(line.replaceAll(/\\(?:f[BRI]|\[u[0-9A-F]+\]|[&e-])/g, "")).not.toContain("\\");
        expect(line).toMatch(/^[\x20-\x7e]*$/);
      }
    }
  });
});

// Not `man`: small images have a stub in its place.
if ((process.env["PATH"] ?? "").split(delimiter).some((dir) => existsSync(join(dir, "groff")))) {
  it.each(PROGRAMS)("groff sets %s without a warning", async (program) => {
    const words = ["-man", "-Tutf8", "-ww", "-P-cbu", await pageFile(program)];
    const { code, stdout, stderr } = await run("groff", words, { env: { LC_ALL: "C.UTF-8" } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^${program.toUpperCase()}\\(1\\).*\\n\\s*NAME\\n +${program} +- +\\S`));
  });
}
