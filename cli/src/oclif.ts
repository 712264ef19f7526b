/**
 * Every verb as an oclif command, made from the same table, for what only oclif does: help, and later
 * completion and plugins. Loaded by need as a bundle of its own; `run` is where the commands end, too.
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT, nearest, VERSION } from "@circus-cluster/proto";
import { Args, Command, Config, Flags, Help, type Interfaces, run as runOclifCli, settings } from "@oclif/core";
import { type Request, toOclif } from "./argv.ts";
import { hasColour, type Io, realIo } from "./io.ts";
import { run } from "./run.ts";
import { argumentsText, FLEET_OPTIONS, GLOBAL_OPTIONS, type OptionSpec, TOPICS, VERBS, type Verb } from "./verbs.ts";

type Flag = NonNullable<Interfaces.FlagInput[string]>;

/** Not flags of commands: they end the reading of the line. */
const NO_FLAGS: ReadonlySet<string> = new Set(["help", "version"]);
const GLOBALS = GLOBAL_OPTIONS.filter(({ name }) => !NO_FLAGS.has(name));

function flagOf({ name, short, value, doc }: OptionSpec, helpGroup: string | undefined): [string, Flag] {
  const group = {
    ...(helpGroup === undefined ? {} : { helpGroup }),
    ...(short === undefined ? {} : { char: short as "f" }),
  };
  const made =
    value === null
      ? Flags.boolean({ description: doc, ...group })
      : Flags.string({ description: doc, helpValue: value, ...group });
  return [name, made];
}

function commandClass(verb: Verb): Command.Class {
  const flags: Interfaces.FlagInput = Object.fromEntries([
    ...verb.options.map((option) => flagOf(option, FLEET_OPTIONS.includes(option) ? "FLEET" : undefined)),
    ...GLOBALS.map((option) => flagOf(option, "GLOBAL")),
  ]);
  const args = Object.fromEntries(
    verb.args.map(({ property }) => {
      const description = verb.command?.properties[property]?.doc ?? "";
      return [property, Args.string({ description })];
    }),
  );
  return class extends Command {
    static override readonly summary = verb.summary;
    static override readonly flags = flags;
    static override readonly args = args;
    /** For the help only: `run` gives words to arguments, the same for both ways in. */
    static override readonly strict = !verb.args.some(({ takes }) => takes !== undefined);
    static override readonly usage = [verb.name, argumentsText(verb.args), "[options]"].filter(Boolean).join(" ");
    static override readonly examples = verb.examples.map((example) => `circusctl ${example}`);

    override async run(): Promise<void> {
      const parsed = await this.parse({ flags, args, strict: false });
      const options: Record<string, string | true> = {};
      const given: Readonly<Record<string, unknown>> = parsed.flags;
      for (const [name, value] of Object.entries(given)) {
        if (typeof value === "string" || value === true) options[name] = value;
      }
      exitCode = await run({ verb: verb.name, words: parsed.argv.map(String), options }, realIo());
    }
  };
}

/** The explicit registry: id → command. oclif reads it from this very file. @public */
export const COMMANDS: Readonly<Record<string, Command.Class>> = Object.fromEntries(
  [...VERBS.values()].map((verb) => [verb.name.replaceAll(" ", ":"), commandClass(verb)]),
);

/** Of the command that ran last. */
let exitCode: number = EXIT.ok;

function loadOptions(): Interfaces.LoadOptions {
  const file = fileURLToPath(import.meta.url);
  const root = resolve(dirname(file), "..");
  settings.enableAutoTranspile = false;
  return {
    root,
    ignoreManifest: true,
    pjson: {
      name: "circusctl",
      version: VERSION,
      type: "commonjs",
      oclif: {
        bin: "circusctl",
        topicSeparator: " ",
        topics: Object.fromEntries([...TOPICS].map(([name, description]) => [name, { description }])),
        commands: { strategy: "explicit", target: file, identifier: "COMMANDS" },
      },
    } as unknown as Interfaces.PJSON,
  };
}

/** The same as `run`, but through oclif's own parser. @returns the exit code. @public */
export async function runThroughOclif(request: Request): Promise<number> {
  exitCode = EXIT.ok;
  await runOclifCli(toOclif(request), loadOptions());
  return exitCode;
}

class CircusHelp extends Help {
  readonly #io: Io;

  constructor(config: Config, io: Io) {
    super(config, { stripAnsi: !hasColour(io) });
    this.#io = io;
  }

  protected override log(...args: string[]): void {
    this.#io.out(`${args.join(" ")}\n`);
  }

  override async showRootHelp(): Promise<void> {
    const verbs = [...VERBS.values()];
    const list = (some: readonly Verb[]): string =>
      this.#list(some.map(({ name, summary, args }) => [`${name} ${argumentsText(args)}`.trim(), summary]));
    this.log("Controls a Circus daemon, or a fleet of them\n");
    this.log(this.section("USAGE", "circusctl [options] command [args]"));
    this.log("");
    this.log(this.section("COMMANDS", list(verbs.filter(({ by }) => by !== "fleet"))));
    this.log("");
    this.log(this.section("FLEET COMMANDS", list(verbs.filter(({ by }) => by === "fleet"))));
    this.log("");
    const options = GLOBAL_OPTIONS.map(({ name, value, doc }): [string, string] => [
      `--${name}${value === null ? "" : ` ${value}`}`,
      doc,
    ]);
    this.log(this.section("OPTIONS (before or after the command)", this.#list(options)));
    this.log("\ncircusctl help COMMAND says more about one.");
    await Promise.resolve();
  }

  #list(rows: [string, string][]): string {
    return this.renderList(rows, { indentation: 2, spacer: "\n", stripAnsi: this.opts.stripAnsi === true });
  }
}

/** Help about a verb, a topic (`rollout`), or all. @returns the exit code: 2 for a word that is none. */
export async function showHelp(words: readonly string[], io: Io): Promise<number> {
  const subject = words.join(" ");
  const known = [...VERBS.keys(), ...TOPICS.keys()];
  if (subject !== "" && !known.includes(subject)) {
    const near = nearest(subject, known);
    io.err(`circusctl: unknown command '${subject}'${near === null ? "" : `; did you mean '${near}'?`}\n`);
    return EXIT.usage;
  }
  const help = new CircusHelp(await Config.load(loadOptions()), io);
  await help.showHelp(subject === "" ? [] : [subject.replaceAll(" ", ":")]);
  return EXIT.ok;
}
