/** circusctl with a person at it: its shell, and what bash, zsh and fish complete (reference §5.7). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { run } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { Terminal } from "../support/terminal.ts";
import { waitFor } from "../support/wait.ts";

let agent: Agent;
let home: TempDir;

beforeAll(async () => {
  agent = await startAgent({
    sections: { "watcher:Dummy": { cmd: "sleep 1000" }, "watcher:my app": { cmd: "sleep 1001" } },
  });
});
beforeEach(async () => {
  home = await tempDir("home-");
  return () => home[Symbol.asyncDispose]();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await assertNoLeaks();
});

const env = () => ({
  CIRCUSCTL_ENDPOINT: agent.endpoint,
  HOME: home.path,
  XDG_STATE_HOME: home.file("state"),
  XDG_CONFIG_HOME: home.file("config"),
  XDG_DATA_HOME: home.file("data"),
});
const STATUS = "Dummy: active\nmy app: active\n";

/** Types, and waits for what appears after that. */
class Person {
  readonly terminal: Terminal;
  #seen = 0;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  async sees(pattern: RegExp): Promise<void> {
    const isSeen = (): boolean => {
      const found = pattern.exec(this.terminal.text().slice(this.#seen));
      if (found !== null) this.#seen += found.index + found[0].length;
      return found !== null;
    };
    await waitFor(isSeen, { what: String(pattern), deadlineMs: 30_000 }).catch((error: unknown) => {
      throw new Error(`${String(error)}; shown: ${JSON.stringify(this.terminal.text())}`, { cause: error });
    });
  }

  async does(keys: string, pattern: RegExp): Promise<void> {
    this.terminal.type(keys);
    await this.sees(pattern);
  }
}

describe("the shell, its commands from a pipe", () => {
  it("greets, shows the status, does one line after another, and ends with 0", async () => {
    const input = "status\n\nnumprocesses\nfoo bar\nstatus dummy\nEOF\nstatus\n";
    const result = await run("circusctl", [], { env: env(), input });
    const prompt = "(circusctl) ";
    const stdout = [
      `circusctl 0.19.0\n${STATUS}`,
      `${prompt}${STATUS}`,
      `${prompt}${prompt}2\n`,
      `${prompt}*** Unknown syntax: foo bar\n`,
      `${prompt}active\n`,
      `${prompt}\n`,
    ];
    expect(result).toMatchObject({ code: 0, stdout: stdout.join(""), stderr: "" });
  });

  it("no mistake ends it; each has its line on stderr", async () => {
    const input = "list --frob\nstop nope\nincr dummy x\nstatus 'x\nlist";
    const result = await run("circusctl", ["--json"], { env: env(), input });
    expect(result.code).toBe(0);
    expect(result.stderr.split("\n")).toEqual([
      "circusctl: unknown option --frob",
      'incr: NB "x" is no whole number; usage: circusctl incr NAME [N] [--waiting]',
      "circusctl: status 'x: No closing quotation",
      "",
    ]);
    const replies = result.stdout
      .split("\n")
      .slice(1)
      .map((text) => text.replace(/^(\(circusctl\) )+/, ""));
    expect(replies.filter((text) => text !== "").map((text) => JSON.parse(text) as unknown)).toMatchObject([
      { statuses: {} },
      { reason: "program nope not found" },
      { watchers: ["dummy", "my app"] },
    ]);
  });

  it("knows all commands by `help`", async () => {
    const { stdout } = await run("circusctl", [], { env: env(), input: "help\nhelp restart\n" });
    expect(stdout).toMatch(/^ {2}restart \[NAME\]/m);
    expect(stdout).toContain("--waiting");
  });
});

describe("the shell on a terminal", () => {
  it("completes commands and watchers, survives mistakes, remembers lines, and leaves at Ctrl-D", async () => {
    await using terminal = new Terminal(["circusctl"], { env: env() });
    const person = new Person(terminal);
    await person.sees(/circusctl 0\.19\.0\s+Dummy: active\s+my app: active\s+\(circusctl\) /);
    await person.does("numproc\t", /numprocesses /);
    await person.does("d\t", /Dummy /);
    await person.does("\r", /\n1\r\n.*\(circusctl\) /);
    await person.does("status my\t", /'my app' /);
    await person.does("\r", /active\r\n.*\(circusctl\) /);
    await person.does("list --frob\r", /unknown option --frob\r\n.*\(circusctl\) /);
    await person.does("\x1b[A\x1b[A", /status 'my app'/);
    await person.does("\x03", /\(circusctl\) /);
    terminal.type("\x04");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });

    await using later = new Terminal(["circusctl"], { env: env() });
    const again = new Person(later);
    await again.sees(/\(circusctl\) /);
    await again.does("\x1b[A", /list --frob/);
    later.type("\x03\x04");
    expect(await later.ended()).toMatchObject({ status: 0 });
  });

  it("Ctrl-C ends a command, not the shell", async () => {
    await using terminal = new Terminal(["circusctl"], { env: env() });
    const person = new Person(terminal);
    await person.sees(/\(circusctl\) /);
    await person.does(`listen watcher.dummy --endpoint ${agent.pubsubEndpoint}\r`, /listen[^\n]*\n/);
    const events = setInterval(() => void agent.call("signal", { name: "dummy", signum: "KILL" }), 300);
    await person.sees(/b'watcher\.dummy\.spawn': b'\{/);
    clearInterval(events);
    await person.does("\x03", /\(circusctl\) /);
    await person.does("status dummy\r", /(active|stopped|starting)\r\n/);
    await person.does("exit\r", /\n/);
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
  });
});

/** How each is started without the settings of whoever runs the tests, and what loads the completion. */
const SHELLS: readonly (readonly [name: string, args: readonly string[], load: string])[] = [
  ["bash", ["--noprofile", "--norc", "-i"], "source <(circusctl completion bash)"],
  ["zsh", ["-f", "-i"], "autoload -Uz compinit; compinit -D -u; source <(circusctl completion zsh)"],
  ["fish", ["--no-config", "-i"], "circusctl completion fish | source"],
];

describe.each(SHELLS)("completion in %s", (name, args, load) => {
  it("offers commands, watchers of the agent that is meant, options, files", async () => {
    await home.write("some-key", "");
    await using terminal = new Terminal([name, ...args], { env: { ...env(), PS1: "$ ", PROMPT: "$ " }, columns: 120 });
    const person = new Person(terminal);
    await person.does(`cd ${home.path}; ${load}; echo 'lo'aded\r`, /[\r\n]loaded/);
    await person.does("circusctl numproc\t", /circusctl numprocesses /);
    await person.does("D\t", /Dummy ?/);
    await person.does("\r", /[\r\n]1\r?\n/);
    await person.does(`circusctl --endpoint ${agent.endpoint} status m\t`, /status my\\ app/);
    await person.does("\r", /active\r?\n/);
    await person.does("circusctl restart --wait\t", /--waiting/);
    await person.does("\x15circusctl --ssh_keyfile some\t", /some-key/);
    terminal.type("\x15exit\r");
    expect((await terminal.ended()).status).toBe(0);
  });
});

describe("completion", () => {
  it("answers Circus's own bash script: the first word, exit 1", async () => {
    const circus = (line: string, at: number) =>
      run("circusctl", [], { env: { ...env(), AUTO_COMPLETE: "1", COMP_WORDS: line, COMP_CWORD: String(at) } });
    expect(await circus("circusctl num", 1)).toMatchObject({ code: 1, stdout: "numprocesses numwatchers\n" });
    expect(await circus("circusctl restart ", 2)).toMatchObject({ code: 1, stdout: "" });
  });

  it("knows no watchers where no agent answers, and does not wait long for it", async () => {
    const nobody = { ...env(), CIRCUSCTL_ENDPOINT: "ipc:///nonexistent/endpoint" };
    const result = await run("circusctl", ["__complete", "restart", ""], { env: nobody });
    expect(result).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(result.tookMs).toBeLessThan(5000);
  });

  it("refuses a shell it does not know", async () => {
    expect(await run("circusctl", ["completion", "tcsh"], { env: env() })).toMatchObject({
      code: 1,
      stderr: "circusctl: completion tcsh: there are bash, zsh, fish\n",
    });
  });
});
