/** `circusctl convert`: what it prints is what circusd takes. */
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { run, startProgram } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

it("a supervisord.conf runs under circusd once it is converted", async () => {
  const conf = await dir.write(
    "supervisord.conf",
    `[unix_http_server]
file = %(here)s/supervisor.sock
[supervisord]
nodaemon = true
logfile = %(here)s/supervisord.log
[program:clock]
command = sleep 1000 ; for a while
autorestart = true
environment = PLACE="here"
stdout_logfile = %(here)s/clock.log
[fcgi-program:web]
command = sleep 1000
autorestart = true
numprocs = 2
socket = tcp://127.0.0.1:${await freePort()}
[group:all]
programs = clock,web
`,
  );
  const converted = await run("circusctl", ["convert", conf]);
  expect([converted.code, converted.stderr]).toEqual([
    0,
    `${conf}:16: there are no groups: name watchers alike and say so, 'circusctl restart all*' (here: clock,web)\n`,
  ]);
  const endpoint = `tcp://127.0.0.1:${await freePort()}`;
  const own = `endpoint = ${endpoint}\npubsub_endpoint = tcp://127.0.0.1:${await freePort()}\n`;
  const ini = await dir.write("circus.ini", converted.stdout.replace("[circus]\n", `[circus]\n${own}`));
  expect(await run("circusd", ["--check", ini])).toMatchObject({ code: 0, stderr: "" });
  await using circusd = await startProgram("circusd", [ini]);
  const ask = (...words: string[]) =>
    run("circusctl", [...words, "--timeout", "60"], { env: { CIRCUSCTL_ENDPOINT: endpoint } });
  await expect.poll(async () => (await ask("status")).stdout, { timeout: 60_000 }).toBe("clock: active\nweb: active\n");
  expect((await ask("listsockets")).stdout).toContain("127.0.0.1");
  expect(await ask("quit")).toMatchObject({ code: 0 });
  expect(await circusd.exited).toEqual({ code: 0, signal: null });
});

it("a file that is none of supervisord is refused with its line", async () => {
  const file = await dir.write("other.conf", "[program:a]\ncommand = x\nwhat is this\n");
  expect(await run("circusctl", ["convert", file])).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `circusctl: ${file}:3: 'what is this' is no 'key = value'\n`,
  });
  const none = await dir.write("none.ini", "[watcher:a]\ncmd = x\n");
  expect((await run("circusctl", ["convert", none])).stderr).toBe(
    `circusctl: ${none}: no section of supervisord in it, such as [program:NAME]\n`,
  );
  expect((await run("circusctl", ["convert", dir.file("gone")])).stderr).toMatch(
    /^circusctl: .*gone cannot be read: ENOENT/,
  );
  expect(await run("circusctl", ["--all", "convert", file])).toMatchObject({ code: 2 });
});
