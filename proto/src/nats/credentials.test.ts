import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as nats from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readCredentials, readTls } from "./credentials.ts";
import { createSeed, isSeed, publicKey, signer } from "./nkey.ts";

interface KeyPair {
  getSeed(): Uint8Array;
  getPublicKey(): string;
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}
/** NATS's own implementation; `nats` exports it without types. */
const nkeys = nats.nkeys as {
  createUser(): KeyPair;
  createAccount(): KeyPair;
  fromSeed(seed: Uint8Array): KeyPair;
  fromPublic(key: string): KeyPair;
};

describe("nkeys", () => {
  it("are the ones that NATS's own library makes and reads", () => {
    for (let i = 0; i < 20; i++) {
      const theirs = nkeys.createUser();
      const seed = Buffer.from(theirs.getSeed()).toString();
      expect(publicKey(seed)).toBe(theirs.getPublicKey());
      const ours = createSeed();
      expect(nkeys.fromSeed(Buffer.from(ours)).getPublicKey()).toBe(publicKey(ours));
      expect(ours).toMatch(/^SU[A-Z2-7]{56}$/);
    }
  });

  it("sign a challenge so that the public key verifies it", () => {
    const seed = createSeed();
    const { nkey, sig } = signer(seed)("a nonce");
    expect(nkey).toBe(publicKey(seed));
    const data = Buffer.from("a nonce");
    expect(nkeys.fromPublic(nkey).verify(data, Buffer.from(sig, "base64url"))).toBe(true);
  });

  it("are refused where a letter is wrong, of another kind, or cut short", () => {
    const seed = createSeed();
    const wrong = seed.slice(0, 20) + (seed[20] === "A" ? "B" : "A") + seed.slice(21);
    const account = Buffer.from(nkeys.createAccount().getSeed()).toString();
    for (const bad of [wrong, account, seed.slice(0, -1), seed.toLowerCase(), "", publicKey(seed)]) {
      expect(isSeed(bad), bad).toBe(false);
      expect(() => signer(bad)).toThrow(RangeError);
    }
  });
});

describe("readCredentials", () => {
  let dir: string;
  const seed = createSeed();
  const good = { v: 1, fleet: "main", role: "agent", name: "web1", seed };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "credentials-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const file = (text: string, mode = 0o600): string => {
    const path = join(dir, "web1.json");
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };

  it("reads what `fleet init` writes", () => {
    expect(readCredentials(file(JSON.stringify(good)))).toEqual(good);
  });

  it.each([
    ["{", "is not JSON"],
    [`${seed} is no JSON`, "is not JSON"],
    [JSON.stringify({ ...good, v: 2 }), "v: is another version than 1"],
    [JSON.stringify({ ...good, name: "a.b" }), "name: is no name"],
    [JSON.stringify({ ...good, role: "root" }), "role: is none of agent, viewer, operator, controller"],
    [JSON.stringify({ ...good, seed: "SUA" }), "seed: is no nkey user seed"],
    [JSON.stringify({ ...good, seed: undefined }), "seed: is missing"],
    [JSON.stringify({ ...good, password: "x" }), "password: is unknown"],
  ])("says in one line what is wrong with %s", (text, why) => {
    const path = file(text);
    expect(() => readCredentials(path)).toThrow(`credentials ${path}: ${why}`);
    try {
      readCredentials(path);
    } catch (error) {
      expect(String(error)).not.toContain(seed.slice(0, 12));
      expect(String(error)).not.toContain("\n");
    }
  });

  it("refuses a file that others may read, one that is missing, and a directory", () => {
    const open = file(JSON.stringify(good), 0o644);
    expect(() => readCredentials(open)).toThrow(`credentials ${open}: others may read it (mode 644); chmod 600 it`);
    expect(() => readCredentials(join(dir, "none"))).toThrow(`credentials ${join(dir, "none")}: no such file`);
    const folder = join(dir, "folder");
    mkdirSync(folder, { mode: 0o700 });
    expect(() => readCredentials(folder)).toThrow(`credentials ${folder}: it is a directory`);
  });

  it("names the TLS file that is missing", () => {
    const ca = file("PEM");
    expect(readTls({ ca, cert: null, key: null })).toEqual({ ca: "PEM" });
    expect(() => readTls({ ca, cert: "/none/cert.pem", key: null })).toThrow("TLS cert /none/cert.pem: no such file");
  });
});
