/** The pages that are written from tables: what they say is what the programs read. `vitest -u` writes them anew. */
import { expect, it } from "vitest";
import { KEYS, type KeySpec, type SectionKind } from "../../agent/src/config/keys.ts";
import { FLEET_OPTIONS, GLOBAL_OPTIONS, type OptionSpec, VERBS, type Verb } from "../../cli/src/verbs.ts";
import { openApi } from "../../controller/src/doors/http/openapi.ts";
import { CONTROLLER_KEYS, NOTIFY_KEYS } from "../../controller/src/keys.ts";
import { HELP } from "../../controller/src/options.ts";

type ControllerSpec = (typeof CONTROLLER_KEYS | typeof NOTIFY_KEYS)[number];

const SECTIONS: readonly (readonly [SectionKind, string])[] = [
  ["circus", "[circus]"],
  ["watcher", "[watcher:NAME]"],
  ["socket", "[socket:NAME]"],
  ["plugin", "[plugin:NAME]"],
  ["fleet", "[fleet]"],
];

const TYPES: Readonly<Record<KeySpec["type"], string>> = {
  ...{ text: "text", path: "path", bool: "boolean", int: "whole number", float: "number", duration: "duration" },
  ...{ mask: "octal", signal: "signal", list: "list", labels: "list of key:value" },
};

function row({ key, type, default: fallback, doc, supported, ifUnsupported }: KeySpec): readonly string[] {
  const end = supported ? "" : ifUnsupported === "warn" ? " (ignored, with a warning)" : " (refused)";
  return [`\`${key}\``, TYPES[type], fallback === null || fallback === "" ? "" : `\`${fallback}\``, doc + end];
}

function table(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = clean[0]?.map((_, at) => Math.max(3, ...clean.map((cells) => cells[at]?.length ?? 0))) ?? [];
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const [head = [], ...rest] = clean;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest.map(line)].join("\n");
}

it("agent/KEYS.md lists every key that a circus.ini may have", async () => {
  const parts = SECTIONS.map(([section, title]) => {
    const rows = KEYS.filter((key) => key.section === section).map(row);
    return `## \`${title}\`\n\n${table([["Key", "Type", "Default", "Meaning"], ...rows])}\n`;
  });
  const head = `# Keys of circus.ini

Written from the table that \`circusd\` reads them by. \`circusd --check FILE\` says what is wrong with a file; the dialect, and
where it differs from Circus, is in the [README](README.md). Keys of \`[plugin:NAME]\` beyond these are the plugin's own.
`;
  await expect([head, ...parts].join("\n")).toMatchFileSnapshot("../../agent/KEYS.md");
});

function optionTable(options: readonly OptionSpec[]): string {
  const rows = options.map(({ name, value, doc }) => [`\`--${name}${value === null ? "" : ` ${value}`}\``, doc]);
  return table([["Option", "Meaning"], ...rows]);
}

function synopsis({ name, args }: Verb): string {
  const words = args.map(({ property, required, takes }) => {
    const word = takes === "pairs" ? "KEY VALUE" : property.toUpperCase();
    const all = takes === undefined ? word : `${word}...`;
    return required ? all : `[${all}]`;
  });
  return ["circusctl", name, ...words].join(" ");
}

interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly never[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly required: boolean;
    readonly schema: { readonly type?: string };
    readonly description?: string;
  }[];
  readonly requestBody?: {
    readonly content: {
      readonly "application/json": {
        readonly schema: {
          readonly properties?: Readonly<Record<string, object>>;
          readonly required?: readonly string[];
        };
      };
    };
  };
}

/** What is sent along: names, and which of them have to be. */
function sentWith({ parameters = [], requestBody }: Operation): string {
  const body = requestBody?.content["application/json"].schema;
  const needed = new Set(body?.required ?? []);
  const fields = Object.keys(body?.properties ?? {}).map(
    (name) => `\`${name}\`${needed.has(name) ? " (required)" : ""}`,
  );
  const query = parameters.map(({ name, required, description }) => {
    const fallback = description?.replace(/^If not given: /, "");
    return `\`${name}\`${required ? " (required)" : fallback === undefined ? "" : ` (${fallback})`}`;
  });
  return [...query, ...fields].join(", ");
}

it("controller/KEYS.md lists every key of controller.ini and every question and change over HTTP", async () => {
  const keys = (title: string, specs: readonly ControllerSpec[]): string => {
    const rows = specs.map(({ key, type, default: fallback, doc }) => [`\`${key}\``, type, fallback ?? "", doc]);
    return `## \`${title}\`\n\n${table([["Key", "Value", "Default", "Meaning"], ...rows])}\n`;
  };
  const { paths } = openApi() as { paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => [
      `\`${method.toUpperCase()} ${path}\``,
      operation.security === undefined ? (operation.description === undefined ? "viewer" : "operator") : "nobody's",
      sentWith(operation),
    ]),
  );
  const head = `# Keys of controller.ini, and the HTTP API

Written from the tables that \`circus-controller\` reads its settings and answers by. \`circus-controller --check FILE\` says what is
wrong with a file; what the keys are for is in the [README](README.md). Paths are relative to the file.
`;
  const api = `## HTTP API\n\nA question takes properties in its query, with what holds where one is not given; a change as JSON.
\`GET /api/v1/openapi.json\` has all of it with types.\n\n${table([["Path", "Token", "Properties"], ...rows])}\n`;
  const parts = [head, keys("[controller]", CONTROLLER_KEYS), keys("[notify:NAME]", NOTIFY_KEYS), api];
  await expect(parts.join("\n")).toMatchFileSnapshot("../../controller/KEYS.md");
  for (const { key } of [...CONTROLLER_KEYS, ...NOTIFY_KEYS]) expect(HELP).toMatch(new RegExp(`\\b${key}\\b`));
});

it("cli/COMMANDS.md lists every command of circusctl", async () => {
  const rollout = new Set(FLEET_OPTIONS);
  const parts = [...VERBS.values()].map((verb) => {
    const own = verb.options.filter((option) => !rollout.has(option));
    const goes = verb.options.filter((option) => rollout.has(option)).map(({ name }) => name);
    const isRollout = goes.length > 1;
    return [
      `## ${verb.name}`,
      `${verb.summary}.`,
      `\`\`\`\n${[synopsis(verb), ...verb.examples.map((example) => `circusctl ${example}`)].join("\n")}\n\`\`\``,
      ...(own.length === 0 ? [] : [optionTable(own)]),
      ...(isRollout ? ["With `--all`, `--host` or `--where` a [rollout](#options-of-a-rollout)."] : []),
      ...(goes.length === 1 ? ["With `--all`, `--host` or `--where`: to all of them, `--at-once`."] : []),
    ].join("\n\n");
  });
  const head = [
    "# Commands of circusctl",
    `Written from the table that \`circusctl\` reads its words by; \`circusctl help COMMAND\` says the same. How they behave:
[README](README.md).`,
    "## Options before or after any command",
    optionTable(GLOBAL_OPTIONS),
    "## Options of a rollout",
    optionTable(FLEET_OPTIONS),
  ];
  await expect(`${[...head, ...parts].join("\n\n")}\n`).toMatchFileSnapshot("../../cli/COMMANDS.md");
});
