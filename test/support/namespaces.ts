/**
 * Hosts as network namespaces. All hang on one bridge in a further namespace, "the switch", so that neither addresses
 * nor links nor routes of the machine itself are touched, and the machine's own firewall sees nothing.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { track } from "./leaks.ts";
import { findProgram, type Program, type Result, type RunOptions, run, startProgram } from "./process.ts";

interface NetworkHost {
  readonly name: string;
  /** The namespace's name, for `ip netns exec` and `RunOptions.netns`. */
  readonly netns: string;
  /** 10.77.0.x, seen from the other hosts of this network only. */
  readonly address: string;
}

export interface Network extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[];
  host(name: string): NetworkHost;
  run(host: string, program: string, args?: readonly string[], options?: RunOptions): Promise<Result>;
  start(host: string, program: string, args?: readonly string[], options?: RunOptions): Promise<Program>;
  /** Packets from and to the host vanish, silently, as behind a dead cable; its own loopback still works. */
  cut(host: string): void;
  /** So many kbit/s, both ways: what is more waits. */
  slow(host: string, kbits: number): void;
  /** Neither cut nor slow. */
  heal(host: string): void;
}

function execute(program: string, args: readonly string[]): void {
  execFileSync(findProgram(program) ?? program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

const ip = (...args: string[]): void => execute("ip", args);
const tc = (...args: string[]): void => execute("tc", args);

let answer: boolean | undefined;

/** Whether this machine lets us make network namespaces, bridges and links: tried, once. */
export function permitted(): boolean {
  if (answer !== undefined) return answer;
  const name = `cc-try-${randomBytes(3).toString("hex")}`;
  try {
    ip("netns", "add", name);
    ip("-n", name, "link", "add", "br0", "type", "bridge");
    ip("-n", name, "link", "add", "name", "v0", "type", "veth", "peer", "name", "v1");
    answer = true;
  } catch {
    answer = false;
  } finally {
    removeNamespace(name);
  }
  return answer;
}

function removeNamespace(name: string): void {
  try {
    ip("netns", "del", name);
  } catch {
    // Not there.
  }
}

/** Makes a network of hosts with these names. @throws where `permitted()` is false */
export function createNetwork(names: readonly string[]): Network {
  if (names.length > 250) throw new Error("a network has room for 250 hosts");
  const id = `cc${process.pid.toString(36)}${randomBytes(2).toString("hex")}`;
  const hub = `${id}-switch`;
  const hosts = names.map((name, index) => ({ name, netns: `${id}-${name}`, address: `10.77.0.${index + 1}`, index }));
  const made: string[] = [];
  const remove = (): void => {
    for (const name of made.splice(0).reverse()) removeNamespace(name);
  };
  const untrack = track(`network ${id}`, remove);
  const add = (name: string): void => {
    ip("netns", "add", name);
    made.push(name);
    ip("-n", name, "link", "set", "lo", "up");
  };
  try {
    add(hub);
    ip("-n", hub, "link", "add", "br0", "type", "bridge");
    ip("-n", hub, "link", "set", "br0", "up");
    for (const { netns, address, index } of hosts) {
      add(netns);
      ip("-n", hub, "link", "add", `h${index}`, "type", "veth", "peer", "name", "eth0", "netns", netns);
      ip("-n", hub, "link", "set", `h${index}`, "master", "br0", "up");
      ip("-n", netns, "address", "add", `${address}/24`, "dev", "eth0");
      ip("-n", netns, "link", "set", "eth0", "up");
    }
  } catch (error) {
    remove();
    untrack();
    throw error;
  }
  const find = (name: string): (typeof hosts)[number] => {
    const host = hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`no host ${name} in this network`);
    return host;
  };
  const endsOf = (name: string): readonly [string, string][] => {
    const { netns, index } = find(name);
    return [
      [hub, `h${index}`],
      [netns, "eth0"],
    ];
  };
  return {
    hosts,
    host: find,
    run: (host, program, args = [], options = {}) => run(program, args, { ...options, netns: find(host).netns }),
    start: (host, program, args = [], options = {}) =>
      startProgram(program, args, { ...options, netns: find(host).netns }),
    // Unplugged at the switch: the host keeps its carrier, so nothing tells it, nor a connection it has open.
    cut: (host) => ip("-n", hub, "link", "set", `h${find(host).index}`, "nomaster"),
    slow(host, kbits) {
      for (const [netns, device] of endsOf(host)) {
        const rate = ["rate", `${kbits}kbit`, "burst", "8kb", "latency", "10s"];
        tc("-n", netns, "qdisc", "replace", "dev", device, "root", "tbf", ...rate);
      }
    },
    heal(host) {
      ip("-n", hub, "link", "set", `h${find(host).index}`, "master", "br0");
      // To the queue that a link has from its beginning.
      for (const [netns, device] of endsOf(host)) tc("-n", netns, "qdisc", "replace", "dev", device, "root", "pfifo");
    },
    [Symbol.asyncDispose]() {
      remove();
      untrack();
      return Promise.resolve();
    },
  };
}
