/**
 * Machines that a page of instructions can be followed on: each has a network namespace, a host name and a root file
 * system of its own, in which all is as here until it is written to, and our programs are installed. What they lack plays
 * along: `systemctl` starts what the units say in ExecStart, `ssh` and `scp` reach the other machines.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createNetwork, type Network, permitted } from "./namespaces.ts";
import { type Program, projectRoot, type Result, run, startProgram } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** As systemd has it, and where this Node is. */
const PATH = `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${dirname(process.execPath)}`;

/** In a mount namespace of its own: $1 is an empty directory, $2 the machine's name, $3 the project. */
const ENTER = `
set -e
mount -t tmpfs machine "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay machine -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for place in /proc /sys /dev "$3"; do mkdir -p "$1/root$place"; mount --rbind "$place" "$1/root$place"; done
mkdir -p "$1/root/run" "$1/root/tmp" "$1/root/etc/systemd/system" "$1/root/usr/local/bin"
for program in "$3"/node_modules/.bin/circus*; do ln -sf "$program" "$1/root/usr/local/bin/"; done
hostname "$2"
echo ready
exec chroot "$1/root" sleep 100000
`;

const SYSTEMCTL = `#!/bin/bash
# systemctl enable --now | start | reload | stop UNIT...
verb=$1
shift
if [ "$1" = --now ]; then shift; fi
for unit in "$@"; do
  value() { sed -n "s/^$1=//p" "/etc/systemd/system/$unit.service" | head -1; }
  case $verb in
    enable | start)
      credential=$(value LoadCredential)
      if [ -n "$credential" ]; then
        mkdir -p "/run/credentials/$unit.service"
        install -m 600 "\${credential#*:}" "/run/credentials/$unit.service/\${credential%%:*}"
      fi
      state=$(value StateDirectory)
      if [ -n "$state" ]; then mkdir -p -m 700 "/var/lib/$state"; fi
      rm -f "/run/$unit.pid"
      setsid sh -c "echo \\$\\$ >/run/$unit.pid; exec $(value ExecStart)" >"/run/$unit.log" 2>&1 </dev/null &
      until [ -s "/run/$unit.pid" ]; do sleep 0.02; done # who calls us may end our group
      ;;
    reload) MAINPID=$(cat "/run/$unit.pid") sh -c "$(value ExecReload)" ;;
    stop)
      pid=$(cat "/run/$unit.pid")
      kill "$pid"
      while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
      ;;
    *) exit 1 ;;
  esac
done
`;

/** May this machine give another one a root of its own? */
export function machinesPermitted(): boolean {
  if (!permitted()) return false;
  try {
    const script = 'd=$(mktemp -d) && mount -t tmpfs t "$d" && mkdir "$d/u" "$d/w" "$d/r" && ';
    const overlay =
      'mount -t overlay o -o "lowerdir=/,upperdir=$d/u,workdir=$d/w" "$d/r"; code=$?; umount -R "$d"; rmdir "$d"; exit $code';
    execFileSync("unshare", ["--mount", "--uts", "sh", "-c", script + overlay], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export class Machines implements AsyncDisposable {
  readonly network: Network;
  readonly #dir: TempDir;
  readonly #holders = new Map<string, Program>();

  private constructor(dir: TempDir, network: Network) {
    this.#dir = dir;
    this.network = network;
  }

  /** @throws where `machinesPermitted()` is false */
  static async start(names: readonly string[]): Promise<Machines> {
    const dir = await tempDir("circus-machines-");
    const machines = new Machines(dir, createNetwork(names));
    try {
      for (const name of names) await machines.#startOne(name);
      for (const name of names) await machines.#furnish(name);
      return machines;
    } catch (error) {
      await machines[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Its root directory, as it is reached from here. */
  root(name: string): string {
    return `/proc/${this.#holder(name).pid}/root`;
  }

  /** A script of bash on this machine, in the checkout; it ends at its first failure. */
  async run(name: string, script: string, deadlineMs = 60_000): Promise<Result> {
    const pid = String(this.#holder(name).pid);
    const env = { PATH, HOME: "/root", TZ: "UTC", XDG_STATE_HOME: undefined, XDG_CONFIG_HOME: undefined };
    const inside = [
      "-t",
      pid,
      "-m",
      "-u",
      "-n",
      "-r",
      "-w",
      "--",
      "bash",
      "-euo",
      "pipefail",
      "-c",
      `cd ${projectRoot}\n${script}`,
    ];
    return await run("nsenter", inside, { env, deadlineMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#holders.keys()) {
      const units = "cd /run; for file in circusd.pid circus-controller.pid circus-nats.pid; do";
      await this.run(name, `${units} [ ! -e $file ] || systemctl stop "\${file%.pid}" || true; done`);
    }
    for (const holder of this.#holders.values()) await holder.stop();
    await this.network[Symbol.asyncDispose]();
    await this.#dir[Symbol.asyncDispose]();
  }

  #holder(name: string): Program {
    const holder = this.#holders.get(name);
    if (holder === undefined) throw new Error(`no machine ${name}`);
    return holder;
  }

  async #startOne(name: string): Promise<void> {
    const place = this.#dir.file(name);
    await mkdir(place);
    const words = ["--mount", "--uts", "--propagation", "private", "sh", "-c", ENTER, "sh", place, name, projectRoot];
    const holder = await startProgram("unshare", words, { netns: this.network.host(name).netns });
    this.#holders.set(name, holder);
    await holder.waitForLine(/^ready$/);
  }

  /** The programs of a machine that tests cannot have, in its own /usr/local/bin. */
  async #furnish(name: string): Promise<void> {
    const cases = [...this.#holders].map(([other, { pid }]) => `${this.network.host(other).address}) pid=${pid} ;;`);
    const target = `address=\${target#*@}; case \${address%%:*} in ${cases.join(" ")} *) exit 255 ;; esac`;
    const programs = {
      systemctl: SYSTEMCTL,
      ssh: `#!/bin/bash\ntarget=$1; shift; ${target}\nexec nsenter -t $pid -m -u -n -r -w -- bash -c "$*"\n`,
      scp: `#!/bin/bash\ntarget=\${!#}; ${target}\ncp "\${@:1:$#-1}" "/proc/$pid/root\${target#*:}"\n`,
    };
    const shared = this.#dir.file(`bin-${randomBytes(3).toString("hex")}`);
    await mkdir(shared);
    for (const [program, text] of Object.entries(programs)) {
      await writeFile(join(shared, program), text);
      await chmod(join(shared, program), 0o755);
    }
    const root = `${this.root(name)}/usr/local/bin`;
    execFileSync("sh", ["-c", `mkdir -p ${root} && cp ${shared}/* ${root}/`]);
  }
}
