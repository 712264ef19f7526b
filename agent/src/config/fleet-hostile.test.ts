/** What should never stand in `[fleet]`: one line each, with its place, and no configuration. */
import { expect, it } from "vitest";
import { parseFile } from "./lines.ts";
import { resolve } from "./resolve.ts";

const HEAD = "[watcher:w]\ncmd = x\n[fleet]\n";
const URL = "nats_url = nats://a\n";

const CASES: readonly (readonly [text: string, line: number, said: RegExp])[] = [
  ["fleet = main\n", 3, /^\[fleet\] has no 'nats_url'$/],
  ["nats_url =\n", 3, /^\[fleet\] has no 'nats_url'$/],
  ["nats_url = ,,\n", 3, /^\[fleet\] has no 'nats_url'$/],
  ["nats_url = nats://\n", 4, /^nats_url: 'nats:\/\/' is not nats:\/\/HOST:PORT or tls:\/\/HOST:PORT$/],
  ["nats_url = ftp://a\n", 4, /^nats_url: 'ftp:\/\/a' is not/],
  ["nats_url = nats://a:99999\n", 4, /^nats_url: 'nats:\/\/a:99999' is not/],
  ["nats_url = nats://a/../b\n", 4, /^nats_url: 'nats:\/\/a\/\.\.\/b' is not/],
  ["nats_url = nats://me:hunter2@a\n", 4, /^nats_url: user and password do not belong in it; use 'credentials'$/],
  ["nats_url = nats://hunter2@a\n", 4, /^nats_url: user and password do not belong in it/],
  [`${URL}fleet = a.b\n`, 5, /^fleet: 'a\.b' is no name of a fleet/],
  [`${URL}fleet = >\n`, 5, /^fleet: '>' is no name of a fleet/],
  [`${URL}fleet = ${"x".repeat(65)}\n`, 5, /^fleet: .* is no name of a fleet/],
  [`${URL}host = web1.example\n`, 5, /^host: 'web1\.example' cannot name a host of a fleet/],
  [`${URL}host = _fleet\n`, 5, /^host: '_fleet' is reserved$/],
  [`${URL}host = _all\n`, 5, /^host: '_all' is reserved$/],
  [`${URL}host = *\n`, 5, /^host: '\*' cannot name a host/],
  [`${URL}host = a b\n`, 5, /^host: 'a b' cannot name a host/],
  [`${URL}host = ${"h".repeat(65)}\n`, 5, /^host: .* cannot name a host/],
  [`${URL}host = \u202eweb1\n`, 5, /^host: .* cannot name a host/],
  [`${URL}labels = role\n`, 5, /^labels: 'role' is not key:value$/],
  [`${URL}labels = :web\n`, 5, /^labels: ':web' is not key:value$/],
  [`${URL}labels = role:\n`, 5, /^labels: 'role:' is not key:value$/],
  [`${URL}labels = role:web zone\n`, 5, /^labels: 'role:web zone' is not key:value$/],
  [`${URL}labels = role:web, role:db\n`, 5, /^labels: 'role' has two values$/],
  [
    `${URL}labels = ${Array.from({ length: 65 }, (_, n) => `k${n}:v`).join(",")}\n`,
    5,
    /^labels: 65 labels, more than 64$/,
  ],
  [`${URL}tls_cert = c.pem\n`, 5, /^tls_cert: it needs 'tls_key'$/],
  [`${URL}tls_key = k.pem\n`, 5, /^tls_key: it needs 'tls_cert'$/],
];

it.each(CASES.map(([text, line, said]) => ({ shown: text.slice(0, 100), text, line, said })))(
  "[fleet] $shown",
  ({ text, line, said }) => {
    const files = [parseFile("/etc/circus.ini", HEAD + text)];
    const { config, diagnostics } = resolve(files, { osEnv: {}, cwd: "/etc", shortHostName: "box" });
    expect(config).toBeNull();
    expect(diagnostics.map(({ at }) => at?.line)).toEqual([line]);
    expect(diagnostics[0]?.message).toMatch(said);
    expect(diagnostics[0]?.message).not.toMatch(/\n|hunter2/);
  },
);
