/**
 * A supervisord.conf as a circus.ini. What means the same goes over; what has no counterpart, or another default, is
 * named by a note with its line. Pure.
 */
import { parseBoolean } from "@circus-cluster/proto";
import { readEnvironment, type Section, type Value } from "./read.ts";

interface Note {
  readonly line: number;
  readonly text: string;
}

export interface Converted {
  readonly ini: string;
  readonly notes: readonly Note[];
}

/** supervisord's defaults, where Circus's are others. */
const DEFAULTS = { startretries: "3", startsecs: "1", stopwaitsecs: "10", maxbytes: "50MB", backups: "10" } as const;
/** Of its `priority`, which begins with the smallest; Circus begins with the greatest. */
const PRIORITY_DEFAULT = 999;
const LEVELS: Readonly<Record<string, string>> = {
  ...{ critical: "critical", error: "error", warn: "warning", warning: "warning", info: "info", debug: "debug" },
  ...{ trace: "debug", blather: "debug" },
};
const SIZES: Readonly<Record<string, number>> = { "": 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };
/** What Circus has by itself, in another way, or does not need. */
const SILENT = new Set(["unix_http_server", "supervisorctl", "rpcinterface:supervisor"]);

/** @param here directory of the file: supervisord's `%(here)s` */
export function convertSupervisord(sections: readonly Section[], here: string): Converted {
  const conversion = new Conversion(here);
  for (const section of sections) conversion.take(section);
  return conversion.result();
}

class Conversion {
  readonly #here: string;
  readonly #notes: Note[] = [];
  readonly #circus: string[] = [];
  readonly #blocks: string[] = [];

  constructor(here: string) {
    this.#here = here;
  }

  result(): Converted {
    const notes = [...this.#notes].sort((a, b) => a.line - b.line);
    const remarks = notes.map(({ line, text }) => `; line ${line}: ${text}`);
    const head = ["; from a supervisord.conf, by circusctl convert", ...remarks, "[circus]"];
    const circus = this.#circus.length === 0 ? ["check_delay = 5"] : this.#circus;
    return { ini: [[...head, ...circus].join("\n"), ...this.#blocks].join("\n\n").concat("\n"), notes };
  }

  take(section: Section): void {
    const [, kind = "", name = ""] = /^([a-z_-]+)(?::(.*))?$/s.exec(section.name) ?? [];
    if (SILENT.has(section.name)) return;
    switch (kind) {
      case "supervisord":
        this.#daemon(section);
        return;
      case "program":
        this.#program(name, section, null);
        return;
      case "fcgi-program":
        this.#fastCgi(name, section);
        return;
      case "include":
        this.#include(section);
        return;
      case "group": {
        const programs = section.values.get("programs")?.text ?? "";
        this.#note(
          section,
          `there are no groups: name watchers alike and say so, 'circusctl restart ${name}*' (here: ${programs})`,
        );
        return;
      }
      case "inet_http_server":
        this.#note(section, "there is no HTTP server; circusctl speaks to 'endpoint', and a controller serves HTTP");
        return;
      case "eventlistener":
        this.#note(section, `event listener '${name}' speaks supervisord's protocol: see plugins, or circusctl listen`);
        return;
      default:
        this.#note(section, `[${section.name}] is not known`);
    }
  }

  #note({ line }: { readonly line: number }, text: string): void {
    this.#notes.push({ line, text });
  }

  #daemon(section: Section): void {
    const out = this.#circus;
    for (const [key, value] of section.values) {
      const text = this.#expand(value, null);
      switch (key) {
        case "logfile":
          out.push(`logoutput = ${text === "/dev/stdout" ? "-" : text}`);
          break;
        case "loglevel":
          out.push(`loglevel = ${LEVELS[text.toLowerCase()] ?? "info"}`);
          break;
        case "pidfile":
        case "umask":
          out.push(`${key} = ${text}`);
          break;
        case "environment":
          this.#environment("env", value, null);
          break;
        case "directory":
          this.#note(value, `start circusd in ${text}: what is relative in this file is meant so`);
          break;
        case "user":
          this.#note(value, `start circusd as ${text}, or give each watcher its 'uid'`);
          break;
        case "nodaemon":
          if (text.toLowerCase() !== "true")
            this.#note(value, "circusd stays in the foreground; --daemon sends it back");
          break;
        case "minfds":
        case "minprocs":
          this.#note(value, `'${key}': circusd says at its start where its descriptors do not suffice; see rlimit_*`);
          break;
        case "logfile_maxbytes":
        case "logfile_backups":
          this.#note(value, `'${key}': circusd's own log is rotated from outside (logrotate, then SIGUSR1)`);
          break;
        default:
          if (!["identifier", "childlogdir", "strip_ansi", "nocleanup", "silent"].includes(key))
            this.#note(value, `'${key}' is not known`);
      }
    }
    if (![...section.values.keys()].includes("nodaemon")) {
      this.#note(section, "circusd stays in the foreground; --daemon sends it back");
    }
  }

  #include(section: Section): void {
    const files = section.values.get("files");
    if (files === undefined) return;
    this.#circus.push(`include = ${this.#expand(files, null).split(/\s+/).join(" ")}`);
    this.#note(files, "the files that it names are to be converted too");
  }

  #fastCgi(name: string, section: Section): void {
    const address = section.values.get("socket");
    const text = address === undefined ? "" : this.#expand(address, name);
    const [, tcpHost, tcpPort] = /^tcp:\/\/\[?([^\]]*?)\]?:(\d+)$/.exec(text) ?? [];
    const [, path] = /^unix:\/\/(.+)$/.exec(text) ?? [];
    const socket = name.toLowerCase();
    if (path !== undefined) {
      const owner = section.values.get("socket_owner");
      const [user, group] = (owner?.text ?? "").split(":");
      this.#block(`socket:${socket}`, [
        ["family", "AF_UNIX"],
        ["path", path],
        ["replace", "True"],
        ["owner", user === "" ? undefined : user],
        ["group", group],
        ["umask", umaskOf(section.values.get("socket_mode")?.text)],
      ]);
    } else if (tcpPort !== undefined) {
      this.#block(`socket:${socket}`, [
        ["family", tcpHost?.includes(":") === true ? "AF_INET6" : undefined],
        ["host", tcpHost === "" ? "0.0.0.0" : tcpHost],
        ["port", tcpPort],
      ]);
    } else this.#note(address ?? section, `'socket' of ${name} is neither tcp://HOST:PORT nor unix://PATH`);
    this.#program(name, section, socket);
  }

  /** @param socket becomes its stdin */
  #program(name: string, section: Section, socket: string | null): void {
    const { values } = section;
    const text = (key: string): string | undefined => {
      const value = values.get(key);
      return value === undefined ? undefined : this.#expand(value, name);
    };
    if (text("command") === undefined) this.#note(section, `program ${name} has no command`);
    const lines: [string, string | undefined][] = [
      ["cmd", text("command")?.replaceAll("\n", " ")],
      ["numprocesses", text("numprocs")],
      ["working_dir", text("directory")],
      ["uid", text("user")],
      ["copy_env", "True"],
      ["stdin_socket", socket ?? undefined],
      ["use_sockets", socket === null ? undefined : "True"],
      ["autostart", isFalse(text("autostart")) ? "False" : undefined],
      ["respawn", isFalse(text("autorestart")) ? "False" : undefined],
      ["priority", this.#priority(values.get("priority"))],
      ["ready.min_uptime", `${text("startsecs") ?? DEFAULTS.startsecs}s`],
      ["max_retry", text("startretries") ?? DEFAULTS.startretries],
      ["stop_signal", signalOf(text("stopsignal"))],
      ["graceful_timeout", text("stopwaitsecs") ?? DEFAULTS.stopwaitsecs],
      ["stop_children", isTrue(text("stopasgroup")) ? "True" : undefined],
      ...this.#output(name, section, "stdout"),
      ...(isTrue(text("redirect_stderr"))
        ? this.#output(name, section, "stdout", "stderr")
        : this.#output(name, section, "stderr")),
    ];
    this.#block(`watcher:${name}`, lines);
    const environment = values.get("environment");
    if (environment !== undefined) this.#environment(`env:${name}`, environment, name);
    this.#remarks(name, values);
  }

  #remarks(name: string, values: Section["values"]): void {
    const restart = values.get("autorestart");
    if (restart === undefined || restart.text.toLowerCase() === "unexpected") {
      const place = restart ?? values.get("command");
      if (place !== undefined) {
        this.#note(place, `${name} is started again after any end; 'respawn = False' for a job that ends by itself`);
      }
    }
    const codes = values.get("exitcodes");
    if (codes !== undefined) this.#note(codes, `${name}: there are no expected exit codes`);
    const mask = values.get("umask");
    if (mask !== undefined) this.#note(mask, `${name}: there is one umask for all, in [circus]`);
    const title = values.get("process_name");
    if (title !== undefined && title.text.replaceAll(" ", "") !== "%(program_name)s") {
      this.#note(title, `${name}: processes have numbers, not names; $(circus.wid) is that number`);
    }
    for (const key of ["stdout_events_enabled", "stderr_events_enabled", "stdout_capture_maxbytes", "serverurl"]) {
      const value = values.get(key);
      if (value !== undefined && !isFalse(value.text) && value.text !== "0") this.#note(value, `${name}: no '${key}'`);
    }
  }

  #priority(value: Value | undefined): string | undefined {
    const given = Number(value?.text ?? PRIORITY_DEFAULT);
    return given === PRIORITY_DEFAULT ? undefined : String(PRIORITY_DEFAULT - given);
  }

  /** @param from of which stream's settings @param to the one that goes there */
  #output(name: string, { values }: Section, from: "stdout" | "stderr", to = from): [string, string | undefined][] {
    const value = values.get(`${from}_logfile`);
    const file = value === undefined ? "AUTO" : this.#expand(value, name);
    const stream = `${to}_stream`;
    if (file.toUpperCase() === "NONE" || file === "/dev/null") return [[`close_child_${to}`, "True"]];
    if (file === "/dev/stdout" || file === "/dev/stderr" || file === "/dev/fd/1" || file === "/dev/fd/2") {
      return [[`${stream}.class`, "StdoutStream"]];
    }
    if (value === undefined || file.toUpperCase() === "AUTO") {
      // Without a place of its own it went to a file that supervisord chose and forgot.
      return [[`${stream}.class`, "StdoutStream"]];
    }
    if (file === "syslog") {
      this.#note(value, `${name}: to syslog by way of circusd's own output, as under systemd`);
      return [[`${stream}.class`, "StdoutStream"]];
    }
    const bytes = bytesOf(values.get(`${from}_logfile_maxbytes`)?.text ?? DEFAULTS.maxbytes);
    if (bytes === null) this.#note(values.get(`${from}_logfile_maxbytes`) ?? value, `${name}: that is no size`);
    const backups = values.get(`${from}_logfile_backups`)?.text ?? DEFAULTS.backups;
    return [
      [`${stream}.class`, "FileStream"],
      [`${stream}.filename`, file],
      [`${stream}.max_bytes`, bytes === null || bytes === 0 ? undefined : String(bytes)],
      [`${stream}.backup_count`, bytes === 0 ? undefined : backups],
    ];
  }

  #environment(section: string, value: Value, program: string | null): void {
    const pairs = readEnvironment(this.#expand(value, program));
    if (pairs === null) this.#note(value, "'environment' is no list of KEY=value");
    else
      this.#block(
        section,
        pairs.map(([key, text]) => [key, text] as [string, string]),
      );
  }

  #block(title: string, lines: readonly (readonly [string, string | undefined])[]): void {
    const written = lines.flatMap(([key, text]) => (text === undefined ? [] : [`${key} = ${text}`]));
    if (written.length > 0) this.#blocks.push([`[${title}]`, ...written].join("\n"));
  }

  /** `%(…)s` as Circus says it. @param program null: there is none */
  #expand(value: Value, program: string | null): string {
    return value.text.replaceAll(
      /%(?:%|\(([a-z_]+|ENV_\w+)\)(0?\d*)([sd]))/gi,
      (whole, name?: string, width?: string) => {
        if (name === undefined) return "%";
        const env = /^ENV_(\w+)$/i.exec(name)?.[1];
        if (env !== undefined) return `$(circus.env.${env})`;
        if (name === "here") return this.#here;
        if (name === "program_name" && program !== null) return program;
        if (name === "process_num" && program !== null) {
          const width0 = width === undefined || width === "" ? "" : ", without leading zeros";
          this.#note(value, `$(circus.wid) counts from 1, where process_num counts from 0${width0}`);
          return "$(circus.wid)";
        }
        this.#note(value, `'${whole}' has no counterpart and was left as it is`);
        return whole;
      },
    );
  }
}

function isTrue(text: string | undefined): boolean {
  return parseBoolean(text ?? "") === true;
}

function isFalse(text: string | undefined): boolean {
  return parseBoolean(text ?? "") === false;
}

function signalOf(text: string | undefined): string | undefined {
  if (text === undefined || /^(?:SIG)?TERM$/i.test(text)) return undefined;
  return /^\d+$/.test(text) ? text : `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
}

function bytesOf(text: string): number | null {
  const [, number, unit = ""] = /^(\d+)\s*([kmg]b)?$/i.exec(text.trim()) ?? [];
  return number === undefined ? null : Number(number) * (SIZES[unit.toLowerCase()] ?? 1);
}

/** 0700 → 077. */
function umaskOf(mode: string | undefined): string | undefined {
  if (mode === undefined || !/^[0-7]{3,4}$/.test(mode)) return undefined;
  return (0o777 & ~Number.parseInt(mode, 8)).toString(8).padStart(3, "0");
}
