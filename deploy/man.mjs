// Writes the manual pages of the three programs, from the tables that these read their words and keys by, into what
// each package ships. `npm run build` runs it, when the packages are built.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS } from "../agent/dist/config/keys.js";
import { HELP as AGENT_HELP } from "../agent/dist/options.js";
import { FLEET_OPTIONS, GLOBAL_OPTIONS, usageOf, VERBS } from "../cli/dist/verbs.js";
import { HELP as CONTROLLER_HELP } from "../controller/dist/options.js";
import { VERSION } from "../proto/dist/version.js";
import { root } from "./lib/paths.mjs";
import { bold, list, page, section, subsection, text, verbatim } from "./lib/roff.mjs";

const SECTIONS = {
  circus: "[circus]",
  watcher: "[watcher:NAME]",
  socket: "[socket:NAME]",
  plugin: "[plugin:NAME]",
  fleet: "[fleet]",
};

const seeAlso = (...names) => section("SEE ALSO", names.map((name) => `${bold(name)}(1)`).join(",\n"));

const optionsOf = (options) =>
  list(
    options.map(({ name, short, value, doc }) => {
      const letter = short === undefined ? "" : `${bold(`-${short}`)}, `;
      return [`${letter}${bold(`--${name}`)}${value === null ? "" : ` \\fI${text(value)}\\fR`}`, doc];
    }),
  );

function circusctl() {
  const rollout = new Set(FLEET_OPTIONS);
  const commands = [...VERBS.values()].flatMap((verb) => {
    const own = verb.options.filter((option) => !rollout.has(option));
    const isRollout = verb.options.filter((option) => rollout.has(option)).length > 1;
    return [
      ...subsection(usageOf(verb).replace(/^circusctl /, "")),
      text(`${verb.summary}.`),
      ...(isRollout ? [text("For several hosts a rollout, with its options.")] : []),
      ...optionsOf(own),
      ...(verb.examples.length === 0 ? [] : verbatim(verb.examples.map((example) => `circusctl ${example}`))),
    ];
  });
  return page(
    "circusctl",
    1,
    VERSION,
    "asks and changes one circusd, or a fleet of them",
    section("SYNOPSIS", `${bold("circusctl")} [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]`),
    section(
      "DESCRIPTION",
      text("Without --all, --host and --where it talks to the circusd of this machine, with them to the fleet."),
      text("Without a command it reads commands from its input."),
    ),
    section("OPTIONS", text("They stand before or after the command."), ...optionsOf(GLOBAL_OPTIONS)),
    section("COMMANDS", ...commands),
    section("OPTIONS OF A ROLLOUT", text("How a change goes over hosts."), ...optionsOf(FLEET_OPTIONS)),
    section(
      "EXIT STATUS",
      ...list([
        ["0", "done; in a fleet: by every host"],
        ["1", "timeout, or a mistake on this machine"],
        ["2", "usage"],
        ["3", "refused"],
        ["4", "some hosts failed"],
        ["5", "the fleet cannot be reached"],
      ]),
    ),
    seeAlso("circusd", "circus-controller"),
  );
}

/** The lines of a help text behind this one, up to the next that is empty, as pairs. */
function explained(help, title) {
  const [, part = ""] = help.split(`\n${title}\n`);
  const pairs = [];
  for (const line of part.split("\n\n")[0].split("\n")) {
    const [, term, meaning] = /^ {2}(\S.*?) {2,}(\S.*)$/.exec(line) ?? [];
    if (term !== undefined) pairs.push([bold(term), meaning]);
    else if (pairs.length > 0) pairs.at(-1)[1] += ` ${line.trim()}`;
  }
  return pairs;
}

function circusd() {
  const keys = Object.entries(SECTIONS).flatMap(([kind, title]) => [
    ...subsection(title),
    ...list(
      KEYS.filter((key) => key.section === kind && key.supported).map(({ key, type, default: value, doc }) => [
        `${bold(key)} (${type})`,
        `${doc}${value === null || value === "" ? "" : ` [${value}]`}`,
      ]),
    ),
  ]);
  return page(
    "circusd",
    1,
    VERSION,
    "supervises the processes and sockets of a host",
    section("SYNOPSIS", `${bold("circusd")} [\\fIoptions\\fR] \\fIcircus.ini\\fR`),
    section(
      "DESCRIPTION",
      text(
        "Runs the watchers of a circus.ini, binds their sockets, replaces processes that die, and answers circusctl.",
      ),
      text("With a section [fleet] it is also one of the hosts of a fleet."),
    ),
    section("OPTIONS", ...list(explained(AGENT_HELP, "options:"))),
    section("CONFIGURATION", text("Keys of circus.ini; in brackets what holds where one is not set."), ...keys),
    section(
      "SIGNALS",
      ...list([
        ["TERM, INT, QUIT", "ends it after its workers"],
        ["HUP", "reloads every watcher gracefully; the configuration is not read again"],
        ["USR1", "opens log files anew, its own and those of streams"],
      ]),
    ),
    section(
      "EXIT STATUS",
      ...list([
        ["0", "it was told to end, and did; with --check: the file is usable; with --daemon: it runs"],
        ["1", "the configuration is wrong, something is in use, or a watcher with on_failed = quit gave up"],
        ["2", "a mistake on the command line"],
      ]),
    ),
    seeAlso("circusctl", "circus-controller"),
  );
}

function circusController() {
  const [usage, ...rest] = CONTROLLER_HELP.split("\n\n");
  return page(
    "circus-controller",
    1,
    VERSION,
    "follows a fleet of circusds: history, presence, rollouts",
    section(
      "SYNOPSIS",
      ...verbatim(
        usage
          .replace(/^usage: /, "")
          .split("\n")
          .map((line) => line.trim()),
      ),
    ),
    section("DESCRIPTION", text(rest[0] ?? ""), ...verbatim(rest.slice(1).join("\n\n").split("\n"))),
    seeAlso("circusctl", "circusd"),
  );
}

for (const [file, make] of [
  ["cli/dist/circusctl.1", circusctl],
  ["agent/dist/circusd.1", circusd],
  ["controller/dist/circus-controller.1", circusController],
]) {
  writeFileSync(join(root, file), make());
}
