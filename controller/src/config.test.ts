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
        http: null,
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
        "controller.ini:7: unknown section [other]; there is only [controller]",
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
      "controller.ini:3: unknown key 'colour'; known: nats_url, fleet, credentials, state_dir, name, tls_ca, tls_cert, tls_key, keep, keep_size, http, http_tokens, http_tls_cert, http_tls_key",
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
});
