/** What should never stand in controller.ini: one line each, with the place, and no settings. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeed } from "@circus-cluster/proto/nats";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadConfig } from "./config.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-hostile-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const HEAD = "[controller]\nnats_url = nats://a\n";
const seed = createSeed();
const creds = (over: object): string =>
  JSON.stringify({ v: 1, fleet: "main", role: "controller", name: "ctl1", seed, ...over });

/** Text, what is said behind `controller.ini:`, and credentials in the file `c`. */
const CASES: readonly (readonly [text: string, said: RegExp, credentials?: string])[] = [
  ["\0\0\0\0", /^1: section \[controller\] is missing$|^1: .*is no 'key = value'$/],
  ["controller\n", /^1: /],
  ["[controller\nnats_url = nats://a\n", /^1: /],
  ["[Controller]\nnats_url = nats://a\n", /^1: unknown section \[Controller\]/],
  ["[controller]\n[controller.http]\nnats_url = nats://a\n", /^2: unknown section/],
  [`${HEAD}[__proto__]\npolluted = 1\n`, /^3: unknown section \[__proto__\]/],
  [`${HEAD}__proto__ = 1\n`, /^3: unknown key '__proto__'/],
  [`${HEAD}constructor = 1\n`, /^3: unknown key 'constructor'/],
  [`${HEAD}nats_url[] = nats://b\n`, /^3: unknown key 'nats_url\[\]'/],
  [`${HEAD}nats_url = nats://b\n`, /^3: 'nats_url' was given on line 2 already$/],
  ["[controller]\nnats_url = nats://\n", /^2: 'nats:\/\/' is not nats:\/\/HOST:PORT or tls:\/\/HOST:PORT$/],
  ["[controller]\nnats_url = file:///etc/passwd\n", /^2: 'file:\/\/\/etc\/passwd' is not nats/],
  ["[controller]\nnats_url = nats://a:0x50\n", /^2: /],
  ["[controller]\nnats_url = nats://a/path\n", /^2: 'nats:\/\/a\/path' is not nats/],
  ["[controller]\nnats_url = nats://a, javascript:alert(1)//\n", /^2: 'javascript:alert\(1\)\/\/' is not nats/],
  [
    "[controller]\nnats_url = nats://root:hunter2@a:4222\n",
    /^2: user and password do not belong in it; use 'credentials'$/,
  ],
  [`${HEAD}fleet = main.>\n`, /^3: 'main\.>' is no name of a fleet/],
  [`${HEAD}fleet = *\n`, /^3: '\*' is no name of a fleet/],
  [`${HEAD}fleet = ${"x".repeat(65)}\n`, /^3: 'x+' is no name of a fleet/],
  [`${HEAD}name = a b\n`, /^3: 'a b' is no name of a controller/],
  [`${HEAD}name = ../ctl1\n`, /^3: '\.\.\/ctl1' is no name of a controller/],
  [`${HEAD}name = \u00e9l\u00e8ve\n`, /^3: '.*' is no name of a controller/],
  [`${HEAD}state_dir =\n`, /^3: 'state_dir' is empty$/],
  [`${HEAD}keep = -1d\n`, /^3: '-1d' is neither 'forever' nor a time/],
  [`${HEAD}keep = 1e9d\n`, /^3: '1e9d' is neither/],
  [`${HEAD}keep = NaN\n`, /^3: 'NaN' is neither/],
  [`${HEAD}keep_size = 1\n`, /^3: '1' is no size of 16M or more/],
  [`${HEAD}keep_size = ${"9".repeat(400)}G\n`, /^3: '9+G' is no size/],
  [`${HEAD}replicas = 2\n`, /^3: '2' is none of 1, 3, 5$/],
  [`${HEAD}replicas = 3.0\n`, /^3: '3\.0' is none of 1, 3, 5$/],
  [`${HEAD}http = 8090\n`, /^3: '8090' is not HOST:PORT/],
  [`${HEAD}http = 127.0.0.1:70000\n`, /^3: '127\.0\.0\.1:70000' is not HOST:PORT/],
  [`${HEAD}http = 0.0.0.0:80\n`, /^3: '0\.0\.0\.0:80' can be reached from elsewhere, so it needs 'http_tokens'/],
  [`${HEAD}http = 127.0.0.1:80\nhttp_tls_cert = c.pem\n`, /^4: it needs 'http_tls_key'$/],
  [`${HEAD}http = 127.0.0.1:80\nhttp_tokens = .\n`, /^4: .*(open to others|cannot read|directory)/],
  [`${HEAD}tls_cert = c.pem\n`, /^3: it needs 'tls_key'$/],
  [`${HEAD}credentials = .\n`, /^3: credentials .*: it is a directory$/],
  [`${HEAD}credentials = c\n`, /^3: credentials .*c/, "not json"],
  [`${HEAD}credentials = c\n`, /^3: credentials .*c/, "[]"],
  [`${HEAD}credentials = c\n`, /^3: credentials .*seed/, creds({ seed: "SUAAAA" })],
  [
    `${HEAD}credentials = c\n`,
    /^3: they are of the operator 'ctl1', not of a controller$/,
    creds({ role: "operator" }),
  ],
  [`${HEAD}credentials = c\n`, /^3: they are of fleet 'other', not of 'main'$/, creds({ fleet: "other" })],
  [`${HEAD}credentials = c\nname = ctl2\n`, /^4: the credentials are of 'ctl1', not of 'ctl2'$/, creds({})],
  [`${HEAD}timings = tick=soon\n`, /^3: 'tick=soon' is none of/],
  [`${HEAD}${"x".repeat(100_000)}\n`, /^3: 'x{60}' is no 'key = value'$/],
];

it.each(CASES.map(([text, said, credentials]) => ({ text, said, credentials, shown: text.slice(0, 120) })))(
  "$shown",
  ({ text, said, credentials }) => {
    const path = join(dir, "controller.ini");
    writeFileSync(path, text);
    if (credentials !== undefined) writeFileSync(join(dir, "c"), credentials, { mode: 0o600 });
    const before = readdirSync(dir);
    const loaded = loadConfig(path, { hostName: "ops1", stateDir: join(dir, "state") });
    const problems = loaded.ok ? [] : loaded.problems;
    expect(loaded.ok).toBe(false);
    // What makes a section none is followed by what is missing then.
    for (const problem of problems) {
      expect(problem.startsWith(`${path}:`)).toBe(true);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none
      expect(problem).not.toMatch(/[\u0000-\u001f]|hunter2/);
    }
    expect(problems.map((problem) => problem.replace(`${path}:`, ""))).toContainEqual(expect.stringMatching(said));
    expect(readdirSync(dir)).toEqual(before);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  },
);
