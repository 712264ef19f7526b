/**
 * `circusctl fleet init | issue | revoke | show` against a running nats-server with the fleet's own certificates:
 * whoever is new comes in without a restart, whoever is revoked is out, and nobody else notices.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connectFleet, type FleetConnection, type FleetStatus, readCredentials } from "@circus-cluster/proto/nats";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Result, run } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

let temp: TempDir;
let dir: string;
let server: NatsServer;
let url: string;
const open: FleetConnection[] = [];

async function fleet(line: string): Promise<Result> {
  return await run("circusctl", ["fleet", ...line.split(" "), "--dir", dir]);
}

interface Client {
  readonly connection: FleetConnection;
  readonly statuses: FleetStatus[];
}

async function client(file: string, mode: "once" | "service" = "once"): Promise<Client> {
  const credentials = readCredentials(`${dir}/creds/${file}.creds`);
  const statuses: FleetStatus[] = [];
  const connection = await connectFleet({
    ...{ servers: [url], name: credentials.name, credentials, mode, retryMs: 50 },
    onStatus: (status) => void statuses.push(status),
  });
  open.push(connection);
  return { connection, statuses };
}

beforeAll(async () => {
  temp = await tempDir("circus-credentials-");
  dir = temp.file("fleet");
  const port = await freePort();
  const made = await fleet(`init --hosts web1,web2 --viewers eve --tls --listen 127.0.0.1:${port}`);
  expect(made.stderr).toBe("");
  expect(made.code).toBe(0);
  server = await startNatsServer({ config: `${dir}/nats-server.conf` });
  url = `tls://127.0.0.1:${port}`;
});

afterEach(async () => {
  for (const connection of open.splice(0)) await connection.close();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await temp[Symbol.asyncDispose]();
  await assertNoLeaks();
});

describe("a fleet with certificates of its own", () => {
  it("lets in who has a credential file, which is all that a host needs", async () => {
    const { connection } = await client("agent-web1");
    expect(connection.server).toContain("127.0.0.1");
  });

  it("lets nobody in without a certificate of the fleet, or with another fleet's", async () => {
    const { tls, ...bare } = readCredentials(`${dir}/creds/agent-web1.creds`);
    const attempt = (credentials: typeof bare & { tls?: typeof tls }) =>
      connectFleet({ servers: [url], name: "web1", credentials, mode: "once" });
    await expect(attempt(bare)).rejects.toThrow(/certificate/);
    const other = temp.file("other");
    const made = await run("circusctl", ["fleet", "init", "--hosts", "web1", "--tls", "--dir", other]);
    expect(made.code).toBe(0);
    const foreign = readCredentials(`${other}/creds/agent-web1.creds`);
    await expect(attempt(foreign)).rejects.toThrow(/certificate/);
    await expect(attempt({ ...bare, tls: { ...foreign.tls!, ca: tls!.ca } })).rejects.toThrow();
  });

  it("takes no operator without TLS, although the key is the right one", async () => {
    const { tls: _, ...bare } = readCredentials(`${dir}/creds/operator-admin.creds`);
    await temp.write("bare.creds", JSON.stringify(bare), 0o600);
    const env = { CIRCUSCTL_CREDS: temp.file("bare.creds"), CIRCUSCTL_NATS: url.replace("tls:", "nats:") };
    const { code, stdout, stderr } = await run("circusctl", ["hosts"], { env });
    expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
    expect(stderr).toMatch(/^circusctl: cannot connect to \S+: .+\n$/);
  });

  it("takes a new host in while the others stay connected", async () => {
    const old = await client("agent-web1", "service");
    const before = old.statuses.length;
    const issued = await fleet("issue --role agent --host web9,web8");
    expect(issued.stderr).toBe("");
    expect(issued.stdout).toMatch(
      /^wrote .*agent-web9\.creds\nwrote .*agent-web8\.creds\ntold the nats-server \(pid \d+\)/,
    );
    expect(statSync(`${dir}/creds/agent-web9.creds`).mode & 0o777).toBe(0o600);
    const newcomer = await waitFor(async () => await client("agent-web9").catch(() => undefined), {
      what: "the new host to be let in",
    });
    expect(newcomer.connection.server).toContain("127.0.0.1");
    expect(old.statuses.slice(before)).toEqual([]);
  });

  it("cuts a revoked host off at once, for good, and nobody else; the name can be given anew", async () => {
    const gone = await client("agent-web2", "service");
    const stays = await client("agent-web1", "service");
    const before = stays.statuses.length;
    const revoked = await fleet("revoke web2");
    expect(revoked.stdout).toMatch(/^revoked web2\ntold the nats-server/);
    await waitFor(() => gone.statuses.some(({ kind }) => kind === "disconnected"), { what: "web2 to be cut off" });
    await gone.connection.close();
    await expect(client("agent-web2")).rejects.toThrow();
    expect(stays.statuses.slice(before)).toEqual([]);
    expect(readFileSync(`${dir}/nats-server.conf`, "utf8")).not.toContain("# agent web2");

    const twice = await fleet("revoke web2");
    expect(twice.code).toBe(3);
    expect(twice.stderr).toContain("nobody called web2 has a credential");

    expect((await fleet("issue --host web2")).code).toBe(0);
    await waitFor(async () => await client("agent-web2").catch(() => undefined), { what: "web2 to be let in again" });
  });

  it("gives no name twice, except in place of the old key", async () => {
    const files = readdirSync(`${dir}/creds`);
    const again = await fleet("issue --host web1");
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toMatch(/web1 has a credential already, as agent: --replace makes a new one/);
    const other = await fleet("issue --role viewer --name admin");
    expect(other.stderr).toMatch(/admin has a credential already, as operator: names have to differ/);
    expect(readdirSync(`${dir}/creds`)).toEqual(files);

    const old = readCredentials(`${dir}/creds/viewer-eve.creds`);
    expect((await fleet("issue --role viewer --name eve --replace")).code).toBe(0);
    expect(readCredentials(`${dir}/creds/viewer-eve.creds`).seed).not.toBe(old.seed);
    await waitFor(async () => await client("viewer-eve").catch(() => undefined), { what: "the new key to be known" });
    await expect(connectFleet({ servers: [url], name: "eve", credentials: old, mode: "once" })).rejects.toThrow();
  });

  it("shows who belongs to it and what one of them may do", async () => {
    const all = await fleet("show");
    expect(all.stdout).toMatch(/^fleet main on 127\.0\.0\.1:\d+, tls: own; certificates until 20\d\d-/);
    expect(all.stdout).toMatch(/agent +web1 +U[A-Z2-7]{7}…/);
    const document = JSON.parse((await fleet("show --json")).stdout) as { members: { name: string }[] };
    expect(document.members.map(({ name }) => name)).toEqual(expect.arrayContaining(["web1", "admin", "ctl1"]));
    const one = await fleet("show web1");
    expect(one.stdout).toContain("  may publish    circus.main.evt.web1.>\n");
    expect(JSON.stringify([all, one, document])).not.toMatch(/SU[A-Z2-7]{56}/);
  });
});

describe("mistakes", () => {
  it.each<[string, number, RegExp]>([
    ["issue", 2, /--role has to be one of agent, viewer, operator, controller/],
    ["issue --role boss --name x", 2, /--role has to be one of/],
    ["issue --role viewer", 2, /--name A,B says for whom/],
    ["issue --host a.b", 2, /"a\.b" is no host name/],
    ["issue --role viewer --name a/b", 2, /"a\/b" is no name/],
    ["issue --host x1,x2 --out f", 2, /--out names one file/],
    ["revoke", 1, /NAME is missing/],
    ["revoke web11", 3, /nobody called web11 has a credential; did you mean web1\?/],
    ["show nobody", 3, /nobody called nobody ever had a credential/],
  ])("fleet %s ends with %i", async (line, code, text) => {
    const before = readFileSync(`${dir}/fleet.json`, "utf8");
    const result = await fleet(line);
    expect(result.stderr).toMatch(text);
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(result.code).toBe(code);
    expect(readFileSync(`${dir}/fleet.json`, "utf8")).toBe(before);
  });

  it("names the directory that is none of a fleet", async () => {
    const result = await run("circusctl", ["fleet", "show", "--dir", temp.file("nothing")]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /nothing\/fleet\.json: no such file; is .*nothing what 'circusctl fleet init' made\?/,
    );
  });
});
