/** What the answers of controllers say of a fleet's health. Pure. */
import {
  CLOCK_TOLERANCE_MS,
  type ControllerHealth,
  type ControllerInfo,
  formatBytes,
  formatDuration,
  type HostInfo,
  type Millis,
} from "@circus-cluster/proto";
import { type Finding, ok, warning, wrong } from "./finding.ts";

const SKEW_SHOWN_MS = 1000;
const LAG_SHOWN = 1000;
const BACKLOG_SHOWN = 1000;
/** A disk that is fuller is worth a word, or a loud one. */
const FREE_SHARE = { warning: 0.1, wrong: 0.02 };
const LISTED_MAX = 5;

/** `a, b, c and 4 more`. */
function listed(names: readonly string[]): string {
  const rest = names.length - LISTED_MAX;
  return rest > 0 ? `${names.slice(0, LISTED_MAX).join(", ")} and ${rest} more` : names.join(", ");
}

/** `theirs` beside `ours`: one minor version apart works, more was never tried. */
export function versionFinding(check: string, who: string, theirs: string, ours: string): Finding {
  const parts = (version: string): [number, number] => {
    const [major = "0", minor = "0"] = version.split(".");
    return [Number(major), Number(minor)];
  };
  const [a, b] = [parts(theirs), parts(ours)];
  const text = `${who} is version ${theirs}${theirs === ours ? "" : `, circusctl ${ours}`}`;
  if (theirs === ours) return ok(check, text);
  if (a[0] === b[0] && Math.abs(a[1] - b[1]) <= 1) return ok(check, text);
  return warning(check, text, "more than one minor version apart: bring the older one up to date");
}

/** @param skewMs of the other clock against ours, after half the round trip */
export function clockFinding(skewMs: Millis, controller: string): Finding {
  const text = `this clock and that of controller ${controller} differ by ${formatDuration(Math.abs(Math.round(skewMs)))}`;
  const advice = "let NTP (chrony, systemd-timesyncd) set both clocks";
  if (Math.abs(skewMs) >= CLOCK_TOLERANCE_MS) return wrong("clock", text, `commands are refused as stale; ${advice}`);
  return Math.abs(skewMs) >= SKEW_SHOWN_MS ? warning("clock", text, advice) : ok("clock", text);
}

/** Of the controllers that answered, what each hears of the others. */
export function leaderFindings(answers: ReadonlyMap<string, ControllerHealth>): readonly Finding[] {
  const known = new Map<string, ControllerInfo>();
  // Itself each knows best.
  const told = [...answers.values()].flatMap(({ controllers = [] }) => controllers).sort((a, b) => b.ageMs - a.ageMs);
  for (const info of told) known.set(info.name, info);
  if (known.size === 0) return [];
  const all = [...known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const leaders = all.filter(({ isLeading }) => isLeading).map(({ name }) => name);
  const others = all.filter(({ isLeading }) => !isLeading).map(({ name }) => name);
  const lockless = all.length > 1 ? all.filter(({ hasLock }) => !hasLock).map(({ name }) => name) : [];
  const follow = others.length === 0 ? "" : `; ${listed(others)} ${others.length === 1 ? "follows" : "follow"}`;
  return [
    leaders.length === 1
      ? ok("leader", `${leaders[0] ?? ""} leads${follow}`)
      : leaders.length === 0
        ? wrong("leader", "no controller leads", "an election takes up to 10 s; then look at the controllers' logs")
        : wrong(
            "leader",
            `${listed(leaders)} lead at once`,
            "stop those whose log does not say that they have the lock",
          ),
    ...(lockless.length === 0
      ? []
      : [
          wrong(
            "leader",
            `${listed(lockless)} ${lockless.length === 1 ? "has" : "have"} no key for the lock`,
            "circusctl fleet issue --replace --role controller makes credentials with one",
          ),
        ]),
  ];
}

export function controllerFindings(name: string, health: ControllerHealth): readonly Finding[] {
  const { stream, lag, trouble, missing, stateDir } = health;
  const free = stateDir.totalBytes === 0 ? 1 : stateDir.freeBytes / stateDir.totalBytes;
  const disk = `controller ${name}: ${formatBytes(stateDir.freeBytes)} free at ${stateDir.path}, ${formatBytes(stateDir.usedBytes)} used by its databases`;
  const room = "make room, or set keep and keep_size in controller.ini";
  return [
    trouble !== null
      ? wrong("stream", `controller ${name} cannot read events: ${trouble}`, "see its log, then the nats-server's")
      : stream === null
        ? warning("stream", `controller ${name} does not know the stream yet`, "ask again in some seconds")
        : ok("stream", `${stream.messages} events, ${formatBytes(stream.bytes)}`),
    ...(lag === null
      ? []
      : lag > LAG_SHOWN
        ? [warning("lag", `controller ${name} is ${lag} events behind`, "its history is late until it has caught up")]
        : [ok("lag", `controller ${name} is ${lag} event${lag === 1 ? "" : "s"} behind`)]),
    ...(missing === 0
      ? []
      : [
          warning(
            "gaps",
            `${missing} event${missing === 1 ? " is" : "s are"} missing in the history`,
            "circusctl events names them; agents send again what they have kept",
          ),
        ]),
    free < FREE_SHARE.wrong
      ? wrong("disk", disk, room)
      : free < FREE_SHARE.warning
        ? warning("disk", disk, room)
        : ok("disk", disk),
  ];
}

export function hostFindings(hosts: readonly HostInfo[], ours: string): readonly Finding[] {
  const by = (test: (host: HostInfo) => boolean): string[] => hosts.filter(test).map(({ host }) => host);
  const lost = by(({ presence }) => presence === "lost");
  const late = by(({ presence }) => presence === "late" || presence === "unknown");
  const skewed = hosts.filter(({ skewMs }) => skewMs !== null && Math.abs(skewMs) >= SKEW_SHOWN_MS);
  const refused = skewed.filter(({ skewMs }) => Math.abs(skewMs ?? 0) >= CLOCK_TOLERANCE_MS);
  const skewText = skewed.map(({ host, skewMs }) => `${host} by ${formatDuration(Math.abs(skewMs ?? 0))}`);
  const behind = by(({ backlog }) => (backlog ?? 0) > BACKLOG_SHOWN);
  const other = hosts
    .filter(({ version }) => version !== null && versionFinding("", "", version, ours).state !== "ok")
    .map(({ host, version }) => `${host} ${version ?? ""}`);
  const online = by(({ presence }) => presence === "online").length;
  return [
    hosts.length === 0
      ? warning("hosts", "no host was ever heard", "start circusd with a [fleet] section on one")
      : ok("hosts", `${online} of ${hosts.length} online`),
    ...(lost.length === 0
      ? []
      : [wrong("hosts", `lost: ${listed(lost)}`, "look at circusd and the network there (journalctl -u circusd)")]),
    ...(late.length === 0
      ? []
      : [
          warning(
            "hosts",
            `late or not heard yet: ${listed(late)}`,
            "a busy host or a bad line; ask again in a minute",
          ),
        ]),
    ...(skewed.length === 0
      ? []
      : [
          (refused.length > 0 ? wrong : warning)(
            "host clocks",
            `off: ${listed(skewText)}`,
            `let NTP set them${refused.length > 0 ? "; commands of people are refused there as stale" : ""}`,
          ),
        ]),
    ...(other.length === 0
      ? []
      : [warning("host versions", listed(other), `circusctl is ${ours}: bring the older ones up to date`)]),
    ...(behind.length === 0
      ? []
      : [warning("unsent", `many events wait on ${listed(behind)}`, "their way to NATS is slow or was just mended")]),
  ];
}
