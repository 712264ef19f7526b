import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeed } from "@circus-cluster/proto/nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LoadedConfig, loadConfig } from "./config.ts";
import { PRESENCE_TIMINGS } from "./presence/core.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-controller-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const WORLD = { hostName: "ops1", stateDir: "/var/lib/circus-controller" };

function write(name: string, text: string, mode = 0o600): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function load(text: string): LoadedConfig {
  return loadConfig(write("controller.ini", text), WORLD);
}

/** Problems without the directory. */
function problems(text: string): readonly string[] {
  const loaded = load(text);
  return loaded.ok ? [] : loaded.problems.map((line) => line.replaceAll(`${dir}/`, ""));
}

const credentials = (over: object = {}): string =>
  JSON.stringify({ v: 1, fleet: "main", role: "controller", name: "ctl1", seed: createSeed(), ...over });

describe("controller.ini", () => {
  it("needs no more than a server", () => {
    expect(load("; a comment\n[controller]\nnats_url = nats://127.0.0.1:4222\n")).toEqual({
      ok: true,
      config: {
        natsUrls: ["nats://127.0.0.1:4222"],
        fleet: "main",
        name: "ops1",
        credentials: null,
        stateDir: "/var/lib/circus-controller",
        tls: { ca: null, cert: null, key: null },
        keep: { ageMs: 30 * 86_400_000, sizeBytes: null },
        replicas: null,
        http: null,
        notify: [],
        timings: {
          presence: PRESENCE_TIMINGS,
          rollout: { answerMs: 5000, resendMs: 1000, sendsMax: 3, checkpointMs: 5000 },
          tickMs: 250,
          firstPruneMs: null,
        },
      },
    });
  });

  it("takes how much to keep", () => {
    const keep = (text: string) => {
      const loaded = load(`[controller]\nnats_url = nats://a\n${text}`);
      return loaded.ok ? loaded.config.keep : loaded.problems.map((line) => line.replace(/^.*:3: /, ""));
    };
    expect(keep("keep = 7d\nkeep_size = 10G\n")).toEqual({ ageMs: 7 * 86_400_000, sizeBytes: 10 * 1024 ** 3 });
    expect(keep("keep = forever\n")).toEqual({ ageMs: null, sizeBytes: null });
    expect(keep("keep = 1h\n")).toEqual(["'1h' is neither 'forever' nor a time of a day or more, such as 30d"]);
    expect(keep("keep_size = 10k\n")).toEqual(["'10k' is no size of 16M or more, such as 10G"]);
  });

  it("takes all keys, paths from the directory of the file", () => {
    write("ctl1.creds", credentials());
    const loaded = load(
      "[controller]\nnats_url = tls://a:1, tls://b:2\nfleet = main\ncredentials = ctl1.creds\nstate_dir = state\n" +
        "tls_ca = ca.pem\ntls_cert = /c.pem\ntls_key = k.pem\ntimings = lost=1s tick=20ms\n",
    );
    expect(loaded).toMatchObject({
      ok: true,
      config: {
        natsUrls: ["tls://a:1", "tls://b:2"],
        name: "ctl1",
        credentials: { name: "ctl1" },
        stateDir: join(dir, "state"),
        tls: { ca: join(dir, "ca.pem"), cert: "/c.pem", key: join(dir, "k.pem") },
        timings: { presence: { lostMs: 1000, graceMs: 30_000 }, tickMs: 20 },
      },
    });
  });

  it("has one line for each mistake, in the order of the file", () => {
    expect(problems("fleet = x\n[controller]\nnats_ulr = nats://a\nfleet = a.b\n\nfleet = a.b\n[other]\nhm\n")).toEqual(
      [
        "controller.ini:1: 'fleet' stands before the section [controller]",
        "controller.ini:2: 'nats_url' is missing",
        "controller.ini:3: unknown key 'nats_ulr'; did you mean 'nats_url'?",
        "controller.ini:4: 'a.b' is no name of a fleet: letters, digits, '_' and '-', 1 to 64, the first a letter or digit",
        "controller.ini:6: 'fleet' was given on line 4 already",
        "controller.ini:7: unknown section [other]; there are [controller] and [notify:NAME]",
        "controller.ini:8: 'hm' is no 'key = value'",
      ],
    );
  });

  it.each([
    ["", "controller.ini:1: section [controller] is missing"],
    ["[controller]\nnats_url =\n", "controller.ini:2: 'nats_url' is empty"],
    [
      "[controller]\nnats_url = http://a:1\n",
      "controller.ini:2: 'http://a:1' is not nats://HOST:PORT or tls://HOST:PORT",
    ],
    [
      "[controller]\nnats_url = nats://a:99999\n",
      "controller.ini:2: 'nats://a:99999' is not nats://HOST:PORT or tls://HOST:PORT",
    ],
    [
      "[controller]\nnats_url = nats://u:p@a:1\n",
      "controller.ini:2: user and password do not belong in it; use 'credentials'",
    ],
    ["[controller]\nnats_url = nats://a\ntls_cert = x\n", "controller.ini:3: it needs 'tls_key'"],
    ["[controller]\nnats_url = nats://a\ncredentials = none\n", "controller.ini:3: credentials none: no such file"],
    [
      "[controller]\nnats_url = nats://a\ntimings = lost=soon\n",
      "controller.ini:3: 'lost=soon' is none of lost, grace, answer, resend, tick, prune = DURATION",
    ],
    [
      "[controller]\nnats_url = nats://a\ncolour = red\n",
      "controller.ini:3: unknown key 'colour'; known: nats_url, fleet, credentials, state_dir, name, tls_ca, tls_cert, tls_key, keep, keep_size, replicas, http, http_tokens, http_tls_cert, http_tls_key",
    ],
    ...(
      [
        ["http = 8090", "'8090' is not HOST:PORT, such as 127.0.0.1:8090"],
        [
          "http = 0.0.0.0:8090",
          "'0.0.0.0:8090' can be reached from elsewhere, so it needs 'http_tokens'; or use 127.0.0.1",
        ],
        ["http_tls_key = k", "it needs 'http_tls_cert'"],
        ["http_tls_cert = c", "it needs 'http_tls_key'"],
      ] as const
    ).map(([line, problem]) => [`[controller]\nnats_url = nats://a\n${line}\n`, `controller.ini:3: ${problem}`]),
  ])("says what is wrong with %j", (text, problem) => {
    expect(problems(text)).toContain(problem);
  });

  it("serves HTTP where it is told to, with tokens and certificate from the directory of the file", () => {
    write("tokens", "");
    const ini = "[controller]\nnats_url = nats://a\nhttp = [::]:8090\nhttp_tokens = tokens\n";
    expect(load(`${ini}http_tls_cert = c.pem\nhttp_tls_key = k.pem\n`)).toMatchObject({
      ok: true,
      config: {
        http: {
          address: { host: "::", port: 8090 },
          tokens: join(dir, "tokens"),
          tls: { cert: join(dir, "c.pem"), key: join(dir, "k.pem") },
        },
      },
    });
    write("tokens", "eve root");
    expect(problems(ini)).toEqual(["controller.ini:4: tokens:1: the role is one of viewer, operator"]);
    write("tokens", "", 0o644);
    expect(problems(ini)).toEqual(["controller.ini:4: tokens is open to others (mode 644); chmod 600 it"]);
  });

  it("wants credentials of a controller of this fleet and name", () => {
    const ini = "[controller]\nnats_url = nats://a\ncredentials = c\n";
    write("c", credentials({ role: "agent" }));
    expect(problems(ini)).toEqual(["controller.ini:3: they are of the agent 'ctl1', not of a controller"]);
    write("c", credentials({ fleet: "test" }));
    expect(problems(ini)).toEqual(["controller.ini:3: they are of fleet 'test', not of 'main'"]);
    write("c", credentials());
    expect(problems(`${ini}name = ctl2\n`)).toEqual(["controller.ini:4: the credentials are of 'ctl1', not of 'ctl2'"]);
    expect(problems(ini)).toEqual([]);
  });

  it("names a machine's name that cannot stand in a subject, and a file that is not there", () => {
    const path = write("controller.ini", "[controller]\nnats_url = nats://a\n");
    const loaded = loadConfig(path, { ...WORLD, hostName: "_x" });
    expect(loaded.ok ? [] : loaded.problems).toEqual([
      expect.stringMatching(/:1: '_x' is no name of a controller: .* \(the name of this machine\); set 'name'$/),
    ]);
    expect(loadConfig(join(dir, "none.ini"), WORLD)).toEqual({
      ok: false,
      problems: [`${join(dir, "none.ini")}: no such file`],
    });
  });

  it("reads whom to tell of what", () => {
    const loaded = load(`[controller]
nats_url = nats://127.0.0.1:4222
[notify:oncall]
webhook = https://hooks.example/abc
webhook_token = token
[notify:chat]
command = "/usr/local/bin/say; true"
on = host_lost, rollout_ended
where = role=web
watchers = web*, api
quiet = 1h
flapping = 3 in 30s
tell_end = no
`);
    expect(loaded.ok && loaded.config.notify).toEqual([
      {
        name: "oncall",
        on: ["host_lost", "host_conflict", "watcher_failed", "watcher_flapping", "rollout_failed", "events_lost"],
        where: null,
        watchers: null,
        target: { kind: "webhook", url: "https://hooks.example/abc", tokenFile: `${dir}/token` },
        quietMs: 600_000,
        flapping: { exits: 5, withinMs: 120_000 },
        tellsEnd: true,
      },
      {
        name: "chat",
        on: ["host_lost", "rollout_ended"],
        where: [{ key: "role", isEqual: true, value: "web" }],
        watchers: ["web*", "api"],
        target: { kind: "command", line: "/usr/local/bin/say; true" },
        quietMs: 3_600_000,
        flapping: { exits: 3, withinMs: 30_000 },
        tellsEnd: false,
      },
    ]);
  });

  it.each([
    [
      "x = 1",
      "4: unknown key 'x'; known: on, where, watchers, webhook, webhook_token, command, quiet, flapping, tell_end",
    ],
    ["comand = a", "4: unknown key 'comand'; did you mean 'command'?"],
    ["quiet = 5m", "3: it has neither 'webhook' nor 'command'"],
    ["webhook =", "4: 'webhook' is empty"],
    ["webhook = hooks.example", "4: it is not http://… or https://…"],
    ["webhook = ftp://hooks.example", "4: it is not http://… or https://…"],
    ["webhook = http://me:secret@h/", "4: user and password do not belong in it; use 'webhook_token'"],
    ["command = a\nwebhook_token = t", "5: it needs 'webhook'"],
    [
      "command = a\nwebhook = http://h/",
      "4: there is a 'webhook' already; a rule has one of them, so make it two rules",
    ],
    ["command = a\non = host_loss", "5: nothing is called 'host_loss'; did you mean 'host_lost'?"],
    ["command = a\nwhere = role", "5: 'role' is no list such as role=web,zone!=a"],
    ["command = a\nquiet = soon", "5: 'soon' is no duration, such as 10m"],
    ["command = a\nflapping = 1 in 2m", "5: '1 in 2m' is not such as '5 in 2m': exits, 2 to 1000, and a time"],
    ["command = a\nflapping = often", "5: 'often' is not such as '5 in 2m': exits, 2 to 1000, and a time"],
    ["command = a\ntell_end = maybe", "5: 'maybe' is neither yes nor no"],
    ["command = a\ncommand = b", "5: 'command' was given on line 4 already"],
  ])("refuses a rule with %s", (lines, expected) => {
    expect(problems(`[controller]\nnats_url = n:1\n[notify:a]\n${lines}\n`)).toEqual([`controller.ini:${expected}`]);
  });

  it("refuses a rule without a usable name", () => {
    expect(problems("[controller]\nnats_url = n:1\n[notify:a b]\ncommand = x\n")).toEqual([
      "controller.ini:3: 'a b' is no name of a rule: letters, digits, '_' and '-', 1 to 64",
    ]);
  });
});
