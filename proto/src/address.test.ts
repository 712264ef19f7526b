import { describe, expect, it } from "vitest";
import { isLoopbackHost, natsUrlFault, parseAddress } from "./address.ts";

describe("parseAddress", () => {
  it.each([
    ["127.0.0.1:8090", { host: "127.0.0.1", port: 8090 }],
    [" localhost:1 ", { host: "localhost", port: 1 }],
    ["[::1]:65535", { host: "::1", port: 65_535 }],
    ["0.0.0.0:80", { host: "0.0.0.0", port: 80 }],
    ["8090", null],
    [":8090", null],
    ["::1:8090", null],
    ["a:0", null],
    ["a:65536", null],
    ["a:1x", null],
    ["http://a:1", null],
    ["a b:1", null],
  ])("reads %j", (text, expected) => {
    expect(parseAddress(text)).toEqual(expected);
  });
});

describe("natsUrlFault", () => {
  it.each(["nats://a", "tls://nats.example:4222", "a", "a:1", "TLS://[::1]:4222/", "ws://a:80"])("takes %s", (url) => {
    expect(natsUrlFault(url)).toBeNull();
  });
  it.each([
    "nats://",
    "",
    "http://a",
    "nats://a:0",
    "nats://a:65536",
    "nats://a:0x50",
    "nats://::1:4222",
    "a/b",
    "a:b:1",
  ])("refuses %j", (url) => expect(natsUrlFault(url)).toBe(`'${url}' is not nats://HOST:PORT or tls://HOST:PORT`));
  it("never shows a password", () => {
    expect(natsUrlFault("nats://me:hunter2@a:4222")).toBe("user and password do not belong in it; use 'credentials'");
  });
});

describe("isLoopbackHost", () => {
  it.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["LocalHost", true],
    ["::1", true],
    ["[::1]", true],
    ["127.0.0.256", false],
    ["127.0.0.1.example", false],
    ["0.0.0.0", false],
    ["localhost.example", false],
    ["", false],
  ])("%j: %s", (host, expected) => {
    expect(isLoopbackHost(host)).toBe(expected);
  });
});
