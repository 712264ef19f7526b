/** Follows blocks of a page in one shell; see `sessions.ts` for what they look like. */
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { checkIni } from "./ini-blocks.ts";
import type { Block } from "./pages.ts";
import { projectRoot } from "./process.ts";
import { commandsOf, isAsShown, isQuestion, masked, type Said, Shell, type Step, stepsOf } from "./sessions.ts";

/** What a test cannot run as it stands, such as `systemctl`, and does in its own way. Null: it is not of that kind. */
type Played = (command: string) => Promise<readonly string[]> | null;

interface World {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What a page shows, and what it is here. */
  readonly places: readonly (readonly [string, string])[];
  /** What a page shows, and what is run in its place. */
  readonly instead?: readonly (readonly [string, string])[];
  /** Lines of an answer that are not looked at. */
  readonly ignored?: RegExp;
  readonly played?: Played;
  /** Before a command is run: for what cannot be known earlier, such as an id. */
  readonly before?: (command: string, follower: Follower) => Promise<void>;
}

/** For a question to be answered as the page shows. */
const SETTLES_MS = 60_000;
/** The same, where the page is written anew. */
const WRITE_SETTLES_MS = 4_000;
const isWriting = process.env["DOCS_WRITE"] !== undefined;

export class Follower implements AsyncDisposable {
  readonly #world: World;
  readonly #shell: Shell;
  #more: readonly (readonly [string, string])[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#shell = new Shell(world.cwd, world.env);
  }

  /** From now on a page's `shown` is `actual` here, before all others. */
  put(shown: string, actual: string): void {
    this.#more = [[shown, actual], ...this.#more.filter(([old]) => old !== shown)];
  }

  /** Runs what there is to be run of these blocks, in their order. */
  async blocks(page: string, blocks: readonly Block[]): Promise<void> {
    for (const block of blocks) {
      const where = `${page}:${block.line}`;
      if (block.language === "console") await this.#session(page, block, where);
      else if (block.language === "ini") {
        const { code, stdout, stderr } = await checkIni(this.#here(block.text));
        expect([where, code, code === 0 ? "" : stdout + stderr]).toEqual([where, 0, ""]);
      } else if (block.language === "sh") await this.#run(block.text, where);
      else if (block.language === "") for (const command of commandsOf(block.text)) await this.#run(command, where);
      else throw new Error(`${where}: nobody knows how to run a block of ${block.language}`);
    }
  }

  /** A command as a page has it. */
  async run(command: string): Promise<Said> {
    await this.#world.before?.(command, this);
    const played = this.#world.played?.(command) ?? null;
    if (played !== null) return { code: 0, lines: await played };
    const { code, lines } = await this.#shell.run(this.#here(command));
    const kept = lines.filter((line) => this.#world.ignored?.test(line) !== true);
    return { code, lines: kept.map((line) => this.#there(line).trimEnd()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shell[Symbol.asyncDispose]();
  }

  async #run(command: string, where: string): Promise<void> {
    const { code, lines } = await this.run(command);
    expect([where, command, code, code === 0 ? "" : lines.join("\n")]).toEqual([where, command, 0, ""]);
  }

  async #session(page: string, block: Block, where: string): Promise<void> {
    const seen: Step[] = [];
    let isTrue = true;
    for (const step of stepsOf(block.text)) {
      const lines = await this.#say(step);
      const isShown = isAsShown(step.said, lines);
      if (!isShown && !isWriting)
        expect([where, step.command, ...lines.map(masked)]).toEqual([where, step.command, ...step.said.map(masked)]);
      isTrue &&= isShown;
      seen.push({ command: step.command, said: isShown ? step.said : lines });
    }
    if (!isTrue) await rewrite(page, block.text, seen);
  }

  async #say(step: Step): Promise<readonly string[]> {
    const until = performance.now() + (isWriting ? WRITE_SETTLES_MS : SETTLES_MS);
    for (;;) {
      const { lines } = await this.run(step.command);
      if (isAsShown(step.said, lines) || !isQuestion(step.command) || performance.now() > until) return lines;
      await delay(200);
    }
  }

  #here(text: string): string {
    const all = [...this.#more, ...(this.#world.instead ?? []), ...this.#world.places];
    return all.reduce((made, [shown, actual]) => made.replaceAll(shown, actual), text);
  }

  #there(text: string): string {
    const back = this.#world.places.reduce((made, [shown, actual]) => made.replaceAll(actual, shown), text);
    return back.replaceAll(`${this.#world.cwd}/`, "").replaceAll(this.#world.cwd, basename(this.#world.cwd));
  }
}

async function rewrite(page: string, old: string, steps: readonly Step[]): Promise<void> {
  const file = join(projectRoot, page);
  const text = await readFile(file, "utf8");
  const shown = steps.map(({ command, said }) => [`$ ${command}`, ...said].join("\n")).join("\n");
  await writeFile(
    file,
    text.replace("```console\n" + old + "```", () => "```console\n" + shown + "\n```"),
  );
}
