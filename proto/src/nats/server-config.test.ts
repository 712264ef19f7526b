import { describe, expect, it } from "vitest";
import { createSeed, publicKey } from "./nkey.ts";
import { type ServerConfigOptions, serverConfig } from "./server-config.ts";

const key = publicKey(createSeed());
const options: ServerConfigOptions = {
  fleet: "main",
  listen: "127.0.0.1:4222",
  storeDir: "/var/lib/nats",
  users: [{ identity: { role: "agent", name: "web1" }, publicKey: key }],
};

describe("serverConfig", () => {
  it("gives each user the rights of its role and nothing else", () => {
    const text = serverConfig({ ...options, http: "127.0.0.1:8222" });
    expect(text).toContain(`# agent web1\n      { nkey: ${key}, permissions: {`);
    expect(text).toContain('publish: { allow: ["circus.main.hb.web1", "circus.main.evt.web1.>"');
    expect(text).toContain('allow_responses: { max: 2, expires: "10m" }');
    expect(text).toContain('http: "127.0.0.1:8222"');
    expect(text).not.toMatch(/authorization|no_auth_user|deny/);
    expect(serverConfig(options)).not.toMatch(/http|tls/);
  });

  it("has the server note no reply subjects for a controller, which would be those of all events that it reads", () => {
    const users = [{ identity: { role: "controller", name: "ctl1" }, publicKey: key }] as const;
    const text = serverConfig({ ...options, users });
    expect(text).not.toContain("allow_responses");
    expect(text).toContain('"_INBOX.*.>"');
  });

  it("asks clients for a certificate where it has TLS", () => {
    const text = serverConfig({ ...options, tls: { ca: "/e/ca.pem", cert: "/e/s p.pem", key: '/e/"k".pem' } });
    expect(text).toContain('cert_file: "/e/s p.pem"');
    expect(text).toContain('key_file: "/e/\\"k\\".pem"');
    expect(text).toContain("verify: true");
  });

  it.each<[string, Partial<ServerConfigOptions>]>([
    ["no user, since such a server lets everybody in", { users: [] }],
    ["a fleet that is no token", { fleet: "a.b" }],
    ["a name that is no token", { users: [{ identity: { role: "agent", name: "a b" }, publicKey: key }] }],
    [
      "a seed in place of a public key",
      { users: [{ identity: { role: "agent", name: "a" }, publicKey: createSeed() }] },
    ],
    ["a lock key that closes the list", { lockKeys: [{ name: "ctl1", publicKey: "U } ]" }] }],
    ["an address with more in it", { listen: "0.0.0.0:1\nauthorization {}" }],
    ["a path with a line break", { storeDir: "/a\n" }],
  ])("refuses %s", (_what, wrong) => {
    expect(() => serverConfig({ ...options, ...wrong })).toThrow(RangeError);
  });
});
