import { describe, expect, it } from "vitest";
import { type Settings, settingsOf, UsageError } from "./settings.ts";

const of = (options: Record<string, string | true>, env: Record<string, string> = {}): Settings =>
  settingsOf({ options }, env);

describe("settingsOf()", () => {
  it("has the reference's defaults", () => {
    expect(of({})).toEqual({
      scope: null,
      endpoint: "tcp://127.0.0.1:5555",
      givenEndpoint: null,
      ssh: null,
      timeoutMs: 5000,
      json: false,
      indent: 0,
      context: null,
      nats: [],
      creds: null,
      tls: { ca: null, cert: null, key: null },
    });
  });

  it("takes the environment where an option is not given, and not where it is empty", () => {
    const env = { CIRCUSCTL_ENDPOINT: "ipc://a", CIRCUSCTL_NATS: "nats://a, nats://b", CIRCUSCTL_CREDS: "" };
    expect(of({}, env)).toMatchObject({ endpoint: "ipc://a", nats: ["nats://a", "nats://b"], creds: null });
    expect(of({ endpoint: "ipc://b", nats: "nats://c" }, env)).toMatchObject({
      endpoint: "ipc://b",
      nats: ["nats://c"],
    });
  });

  it.each<[Record<string, string | true>, Settings["scope"]]>([
    [{ all: true }, { kind: "all" }],
    [{ host: "web1, web2,web1" }, { kind: "hosts", hosts: ["web1", "web2"] as never }],
    [
      { where: "role=web,zone!=a" },
      {
        kind: "where",
        conditions: [
          { key: "role", isEqual: true, value: "web" },
          { key: "zone", isEqual: false, value: "a" },
        ],
      },
    ],
  ])("scope %j", (options, scope) => {
    expect(of(options).scope).toEqual(scope);
  });

  it.each([
    ["1", 1000],
    ["0.5", 500],
    ["1m30s", 90_000],
  ])("--timeout %s", (timeout, ms) => {
    expect(of({ timeout }).timeoutMs).toBe(ms);
  });

  it.each([
    ["me@far:2222", { user: "me", host: "far", port: 2222 }],
    ["far", { user: null, host: "far", port: null }],
    ["me@[::1]:22", { user: "me", host: "::1", port: 22 }],
  ])("--ssh %s", (ssh, server) => {
    expect(of({ ssh, ssh_keyfile: "k" }).ssh).toEqual({ ...server, keyfile: "k" });
  });

  it.each<[Record<string, string | true>, string]>([
    [{ ssh: "-oProxyCommand=x" }, '--ssh "-oProxyCommand=x": USER@HOST:PORT is wanted; USER and PORT may be left out'],
    [{ ssh: "-l@far" }, '--ssh "-l@far": USER@HOST:PORT is wanted; USER and PORT may be left out'],
    [{ ssh: "far:99999" }, '--ssh "far:99999": USER@HOST:PORT is wanted; USER and PORT may be left out'],
    [{ ssh: "a b" }, '--ssh "a b": USER@HOST:PORT is wanted; USER and PORT may be left out'],
    [{ ssh: "far", all: true }, "--ssh leads to one agent: without --all, --host and --where"],
    [{ ssh_keyfile: "k" }, "--ssh_keyfile is for --ssh, which is not given"],
    [{ all: true, host: "a" }, "--all and --host exclude each other"],
    [{ host: "," }, "--host names no host"],
    [{ host: "web1.example" }, '--host: "web1.example" is no host name'],
    [{ where: "role" }, "--where role: KEY=VALUE or KEY!=VALUE is wanted"],
    [{ timeout: "x" }, '--timeout "x" is no time such as 10s or 1m30s'],
    [{ timeout: "0" }, "--timeout has to be above 0"],
    [{ timeout: "9999d" }, '--timeout "9999d" is no time such as 10s or 1m30s'],
  ])("%j is a mistake", (options, reason) => {
    expect(() => of(options)).toThrow(new UsageError(reason));
  });
});
