/** Where the agent's log goes (reference §7): stderr, stdout, a file or syslog. Pure. */
import { nearest } from "@circus-cluster/proto";
import { quote } from "./text.ts";

export type SyslogAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export type LogTarget =
  | { readonly kind: "stderr" | "stdout" }
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "syslog";
      readonly address: SyslogAddress /** Number, as in RFC 5424. */;
      readonly facility: number;
    };

export type ParsedOutput =
  | {
      readonly ok: true;
      readonly target: LogTarget /** What was ignored, and why; null: nothing. */;
      readonly warning: string | null;
    }
  | { readonly ok: false; readonly problem: string };

/** By their numbers. */
const FACILITIES =
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console solaris-cron local0 local1 local2 local3 local4 local5 local6 local7".split(
    " ",
  );
const USER = 1;
const PORT = 514;
const SHAPE = "it is not syslog://HOST[:PORT][?FACILITY] or syslog:///PATH[?FACILITY]";

/** @param text as written with `logoutput` or `--log-output`; null or nothing: stderr */
export function parseLogOutput(text: string | null): ParsedOutput {
  if (text === null || text === "") return plain({ kind: "stderr" });
  if (text === "-" || text === "stdout") return plain({ kind: "stdout" });
  if (!text.startsWith("syslog://")) return plain({ kind: "file", path: text });
  const [, authority = "", path = "", query = ""] = /^syslog:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(text) ?? [];
  const address = authority === "" ? (path.length > 1 ? { path } : null) : addressOf(authority);
  if (address === null) return { ok: false, problem: SHAPE };
  const found = FACILITIES.indexOf(query);
  return {
    ok: true,
    target: { kind: "syslog", address, facility: found < 0 ? USER : found },
    warning: query === "" || found >= 0 ? null : unknownFacility(query),
  };
}

function plain(target: LogTarget): ParsedOutput {
  return { ok: true, target, warning: null };
}

function addressOf(authority: string): SyslogAddress | null {
  const [, bracketed, name, digits] = /^(?:\[([\da-f:.]+)\]|([^:@[\]]+))(?::(\d{1,5}))?$/i.exec(authority) ?? [];
  const host = bracketed ?? name;
  const port = Number(digits ?? PORT);
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}

function unknownFacility(name: string): string {
  const near = nearest(name, FACILITIES);
  return `there is no syslog facility ${quote(name)}${near === null ? "" : ` (did you mean '${near}'?)`}; user is used`;
}

/** Why a `loggerconfig` cannot be followed; null: it can. Only Python's logging can read such a file. */
export function loggerConfigProblem(text: string): string | null {
  return text.trim().toLowerCase() === "default"
    ? null
    : `${quote(text)} is a configuration of Python's logging, which circusd cannot follow; use the level and output of the log, or 'default'`;
}
