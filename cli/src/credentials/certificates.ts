/**
 * A certificate authority of a fleet's own, for its nats-server and for whoever connects. Who may do what is decided by
 * the nkeys; the certificates only keep strangers from speaking to the server and from listening in.
 */
import "reflect-metadata"; // the library's own container needs it
import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** PEM texts. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
/** Ten years: a fleet must not stop on a day that nobody remembers. Who is to go is revoked by the nkey. */
const VALID_MS = 3650 * DAY_MS;
/** For hosts whose clocks run behind. */
const BACKDATE_MS = DAY_MS;

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

async function keys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function frame(name: string, now: number): { serialNumber: string; notBefore: Date; notAfter: Date; subject: string } {
  // The first bit clear: the number has to be positive.
  const serial = randomBytes(16);
  serial[0] = (serial[0] ?? 0) & 0x7f;
  return {
    serialNumber: serial.toString("hex"),
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + VALID_MS),
    subject: `CN=${name}`,
  };
}

/** A new authority. `name` shows up in its certificate. */
export async function createAuthority(name: string, now: number): Promise<KeyPair> {
  const pair = await keys();
  const { subject, ...rest } = frame(name, now);
  const cert = await X509CertificateGenerator.createSelfSigned({
    ...rest,
    name: subject,
    keys: pair,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  });
  return { cert: `${cert.toString("pem")}\n`, key: await pemOfKey(pair.privateKey) };
}

/**
 * A certificate signed by the authority, with its key.
 *
 * @param names under which a server is reached; none: it is a client's
 * @throws Error where the authority's texts cannot be read
 */
export async function createCertificate(
  authority: KeyPair,
  name: string,
  names: readonly string[],
  now: number,
): Promise<KeyPair> {
  const issuer = new X509Certificate(authority.cert);
  const der = PemConverter.decodeFirst(authority.key);
  const signingKey = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
  const pair = await keys();
  const isServer = names.length > 0;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    // Servers of a cluster are each other's clients, too.
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ...(isServer ? [ExtendedKeyUsage.serverAuth] : [])]),
    await SubjectKeyIdentifierExtension.create(pair.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer),
  ];
  if (isServer) {
    const wanted = names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
    extensions.push(new SubjectAlternativeNameExtension(wanted));
  }
  const cert = await X509CertificateGenerator.create({
    ...frame(name, now),
    issuer: issuer.subject,
    publicKey: pair.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    extensions,
  });
  return { cert: `${cert.toString("pem")}\n`, key: await pemOfKey(pair.privateKey) };
}

/** Wall ms at which a certificate ends. @throws Error where the text is none. */
export function expiryOf(cert: string): number {
  return new X509Certificate(cert).notAfter.getTime();
}
