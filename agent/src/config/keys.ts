/**
 * Every key of the configuration in one table: what reads it, what `--check` suggests and what the documentation
 * lists all come from here. Pure data. Source: reference §1.6, §3.1; design §3, §4.
 */

export type SectionKind = "circus" | "watcher" | "plugin" | "socket" | "fleet";

type KeyType = "text" | "path" | "bool" | "int" | "float" | "duration" | "mask" | "signal" | "list" | "labels";

export interface KeySpec {
  readonly section: SectionKind;
  /** A trailing `*` stands for any rest: `hooks.*`. */
  readonly key: string;
  readonly type: KeyType;
  /** As it would be written in a file; null: none. */
  readonly default: string | null;
  readonly doc: string;
  /** Inclusive, for numbers. */
  readonly min: number | null;
  readonly max: number | null;
  /** This version does what the key says. */
  readonly supported: boolean;
  /** What setting an unsupported key means: running without it would be wrong, or merely less. */
  readonly ifUnsupported: "refuse" | "warn";
  /** Kept under its own name among the watcher's extra options, where `options` and plugins look for it. */
  readonly isExtra: boolean;
}

type Part = Partial<Omit<KeySpec, "section" | "key" | "type" | "default" | "doc">>;

function spec(section: SectionKind) {
  return (key: string, type: KeyType, fallback: string | null, doc: string, part: Part = {}): KeySpec => ({
    ...{ section, key, type, default: fallback, doc, min: null, max: null, supported: true },
    ...{ ifUnsupported: "refuse", isExtra: false, ...part },
  });
}

/** What a Node timer can wait, in ms. */
const DURATION: Part = { min: 1, max: 2_147_483_647, isExtra: true };
/** Seconds that a Node timer can wait: 2^31 - 1 ms. */
const TIMER: Part = { min: 0, max: 2_147_483 };
const NATURAL: Part = { min: 0 };
const IGNORED: Part = { supported: false, ifUnsupported: "warn" };
const EXTRA: Part = { isExtra: true };

const circus = spec("circus");
const watcher = spec("watcher");
const plugin = spec("plugin");
const socket = spec("socket");
const fleet = spec("fleet");

/** Their meaning is checked in `streams.ts`, since it depends on the class. */
function streamKeys(which: string): readonly KeySpec[] {
  const key = `${which}_stream`;
  return [
    watcher(`${key}.class`, "text", null, `Where ${which} goes; default: FileStream where there is a filename`),
    watcher(`${key}.filename`, "path", null, "File classes: the file, appended to"),
    watcher(`${key}.time_format`, "text", null, "strftime format of the time before each line"),
    watcher(`${key}.max_bytes`, "int", "0", "FileStream: size that the file does not exceed; 0: any"),
    watcher(`${key}.backup_count`, "int", "0", "FileStream, TimedRotatingFileStream: old files that are kept"),
    watcher(`${key}.rotate_when`, "text", null, "TimedRotatingFileStream: S, M, H, D, MIDNIGHT or W0 to W6"),
    watcher(`${key}.rotate_interval`, "int", "1", "TimedRotatingFileStream: every how many of those"),
    watcher(`${key}.utc`, "bool", "false", "TimedRotatingFileStream: by UTC, not by local time"),
    watcher(`${key}.color`, "text", null, "FancyStdoutStream: red, green, yellow, blue, magenta, cyan or white"),
    watcher(`${key}.*`, "text", null, "Other options of Circus, without effect"),
    watcher(key, "text", null, "Not a key: use its options"),
  ];
}

export const KEYS: readonly KeySpec[] = [
  circus("endpoint", "text", "tcp://127.0.0.1:5555", "Command channel: tcp://HOST:PORT or ipc://PATH"),
  circus("endpoint_owner", "text", null, "User that gets the socket file of an ipc:// endpoint"),
  circus("pubsub_endpoint", "text", "tcp://127.0.0.1:5556", "Event stream"),
  circus("stats_endpoint", "text", "tcp://127.0.0.1:5557", "Statistics stream"),
  circus("multicast_endpoint", "text", "udp://237.219.251.97:12027", "Discovery by UDP multicast; empty: off"),
  circus("check_delay", "float", "5", "Seconds between two looks at all watchers; 0 or less: none", {
    max: 2_147_483,
  }),
  circus("warmup_delay", "int", "0", "Seconds between the starts of two watchers", TIMER),
  circus("umask", "mask", null, "File mode mask of the daemon and its children, octal"),
  circus("pidfile", "path", null, "File for the daemon's pid"),
  circus("loglevel", "text", null, "critical, error, warning, info or debug"),
  circus(
    "logoutput",
    "text",
    null,
    "- for stdout, a file, syslog://HOST[:PORT][?FACILITY] or syslog:///SOCKET[?FACILITY]",
  ),
  circus("include", "list", null, "Further files, names or globs, read after this one"),
  circus("include_dir", "list", null, "Directories whose *.ini files are read too"),
  circus("debug", "bool", "false", "Output of plugins to the daemon's own"),
  circus("state_dir", "path", null, "Directory of the journal and the outbox"),
  circus("python", "path", "python3", "Program that calls Python hooks, where the watcher has no virtualenv"),
  circus("metrics", "text", null, "HOST:PORT on loopback where Prometheus finds /metrics"),
  circus("statsd", "bool", "false", "Publish statistics; a stats_endpoint switches it on too"),
  circus("statsd_*", "text", null, "Settings of circusd-stats", IGNORED),
  circus("httpd", "bool", "false", "Run circus-web", IGNORED),
  circus("httpd_*", "text", null, "Settings of circus-web", IGNORED),
  circus("loggerconfig", "text", null, "Only default: a configuration of Python's logging cannot be followed"),
  circus("debug_gc", "bool", "false", "Python's garbage collector", IGNORED),
  circus("fqdn_prefix", "text", null, "Prefix of the node id", IGNORED),
  circus("stream_backend", "text", null, "Of older versions of Circus", IGNORED),
  circus("ssh_server", "text", null, "Of older versions of Circus", IGNORED),
  circus("prereload_fn", "text", null, "Of older versions of Circus", IGNORED),
  circus("proc_name", "text", null, "Of older versions of Circus", IGNORED),
  circus("use_papa", "bool", "false", "Of older versions of Circus", IGNORED),
  circus("papa_endpoint", "text", null, "Of older versions of Circus", IGNORED),

  watcher("name", "text", null, "Name in place of the section's"),
  watcher("cmd", "text", "", "Command, split as a shell does"),
  watcher("args", "text", "", "Further arguments"),
  watcher("numprocesses", "int", "1", "How many processes", NATURAL),
  watcher("warmup_delay", "int", "0", "Seconds between two spawns", TIMER),
  watcher("working_dir", "path", null, "Working directory; default: the daemon's"),
  watcher("shell", "bool", "false", "Run cmd by /bin/sh -c"),
  watcher("shell_args", "text", null, "Arguments of the shell after the command"),
  watcher("executable", "path", null, "Program to execute in place of cmd's first word"),
  watcher("uid", "text", null, "User name or number"),
  watcher("gid", "text", null, "Group name or number"),
  watcher("copy_env", "bool", "false", "Start from the daemon's environment"),
  watcher("copy_path", "bool", "false", "Hand on PYTHONPATH; needs copy_env"),
  watcher("autostart", "bool", "true", "Start with the daemon"),
  watcher("respawn", "bool", "true", "Replace processes that exit"),
  watcher("singleton", "bool", "false", "Never more than one process"),
  watcher("priority", "int", "0", "Higher starts first"),
  watcher("max_retry", "int", "5", "Attempts per spawn; -1: endless", { min: -1 }),
  watcher("max_age", "int", "0", "Seconds after which a process is replaced; 0: never", NATURAL),
  watcher("max_age_variance", "int", "30", "Random seconds on top of max_age", NATURAL),
  watcher("graceful_timeout", "float", "30", "Seconds from stop_signal to SIGKILL", TIMER),
  watcher("stop_signal", "signal", "SIGTERM", "Signal that asks a process to end"),
  watcher("stop_children", "bool", "false", "Send it to direct children too"),
  watcher("send_hup", "bool", "false", "Reload by SIGHUP"),
  watcher("use_sockets", "bool", "false", "Inherit the daemon's sockets"),
  watcher("stdin_socket", "text", null, "Socket that becomes descriptor 0"),
  watcher("close_child_stdin", "bool", "true", "stdin from /dev/null"),
  watcher("close_child_stdout", "bool", "false", "stdout to /dev/null"),
  watcher("close_child_stderr", "bool", "false", "stderr to /dev/null"),
  watcher("ready.min_uptime", "duration", "2s", "How long a process has to live to count as healthy", {
    ...DURATION,
    min: 0,
  }),
  watcher("ready.when", "text", null, "exited: healthy once it has ended with status 0, for jobs", EXTRA),
  watcher("healthcheck.type", "text", null, "Probe of a process's health: http, tcp, exec or notify", EXTRA),
  watcher("healthcheck.url", "text", null, "http: address that has to answer with a status below 400", EXTRA),
  watcher("healthcheck.host", "text", "127.0.0.1", "tcp: host to connect to", EXTRA),
  watcher("healthcheck.port", "text", null, "tcp: port to connect to", EXTRA),
  watcher("healthcheck.cmd", "text", null, "exec: shell line that has to exit with 0", EXTRA),
  watcher("healthcheck.interval", "duration", "5s", "Between two probes", DURATION),
  watcher("healthcheck.timeout", "duration", "2s", "What a probe may take", DURATION),
  watcher("healthcheck.retries", "int", "3", "Failures in a row that make a process unhealthy", {
    min: 1,
    isExtra: true,
  }),
  watcher("healthcheck.start_period", "duration", "30s", "How long a new process may fail", { ...DURATION, min: 0 }),
  watcher("healthcheck.on_unhealthy", "text", "replace", "replace or ignore an unhealthy process", EXTRA),
  watcher("depends_on", "list", null, "Watchers that have to be healthy before this one starts", EXTRA),
  watcher("on_failed", "text", "stay", "quit: the agent ends, with exit code 1, when this watcher gives up", EXTRA),
  watcher("backoff.initial", "duration", "100ms", "Delay after the second early death in a row; it doubles", DURATION),
  watcher("backoff.max", "duration", "30s", "Longest delay between two attempts", DURATION),
  watcher("backoff.reset", "duration", "1m", "Healthy for so long, a process starts the row anew", DURATION),
  watcher("check_flapping", "bool", "true", "Without effect, as in Circus 0.19", EXTRA),
  watcher("flapping.*", "text", null, "For the Flapping plugin", EXTRA),
  watcher("on_demand", "bool", "false", "Start at the first connection on one of its sockets"),
  watcher("hooks.timeout", "duration", "30s", "What one call of a hook may take", { ...DURATION, isExtra: false }),
  watcher("hooks.*", "text", null, "What is called at a moment of its life: Python, js: or exec:"),
  ...["stdout", "stderr"].flatMap(streamKeys),
  watcher("virtualenv", "path", null, "Python virtual environment of its processes; needs copy_env"),
  watcher("virtualenv_py_ver", "text", null, "Its Python version, such as 3.11; default: the only one it has"),
  watcher("rlimit_*", "text", null, "Resource limits of its processes, soft and hard; empty: infinity"),
  watcher("socket_activation", "text", null, "systemd: its sockets from descriptor 3 on, with LISTEN_FDS", EXTRA),
  watcher("env", "text", null, "Not a key: use an [env:NAME] section", IGNORED),
  watcher("rlimits", "text", null, "Not a key: use rlimit_NAME", IGNORED),
  watcher("loop", "text", null, "Not a key", IGNORED),

  plugin("use", "text", null, "Class name of the plugin"),
  plugin("python", "path", null, "Python that runs it, also where it is built in"),

  socket("host", "text", "localhost", "Address to bind to"),
  socket("port", "int", "8080", "Port; 0: any free one", { min: 0, max: 65_535 }),
  socket("family", "text", "AF_INET", "AF_INET, AF_INET6 or AF_UNIX"),
  socket("type", "text", "SOCK_STREAM", "SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW or SOCK_RDM"),
  socket("backlog", "int", "2048", "Connections that may wait", { min: 0, max: 2_147_483_647 }),
  socket("path", "path", null, "File of an AF_UNIX socket; host and port are ignored"),
  socket("umask", "mask", "010", "File mode mask while an AF_UNIX socket is bound, octal"),
  socket("owner", "text", null, "User that gets the file of an AF_UNIX socket"),
  socket("group", "text", null, "Group that gets it"),
  socket("replace", "bool", "false", "Remove what is at path first"),
  socket("interface", "text", null, "Network interface to bind to"),
  socket("so_reuseport", "bool", "false", "Each process binds its own (SO_REUSEPORT)"),
  socket("blocking", "bool", "false", "Leave the socket blocking"),
  socket("proto", "text", null, "Protocol by name, as in /etc/protocols, or by number"),
  socket("use_papa", "bool", "false", "Of older versions of Circus", IGNORED),

  fleet("nats_url", "list", null, "NATS servers, separated by commas or blanks"),
  fleet("fleet", "text", "main", "Name of the fleet"),
  fleet("host", "text", null, "Name of this host; default: its short host name"),
  fleet("labels", "labels", "", "key:value, key:value"),
  fleet("credentials", "path", null, "Credentials file that circusctl fleet init wrote"),
  fleet("tls_ca", "path", null, "Certificates of the authority that the server is checked against"),
  fleet("tls_cert", "path", null, "Certificate of this client"),
  fleet("tls_key", "path", null, "Key of this client"),
];

const EXACT = new Map<string, KeySpec>();
const PREFIXES: KeySpec[] = [];
for (const key of KEYS) {
  if (key.key.endsWith("*")) PREFIXES.push(key);
  else EXACT.set(`${key.section} ${key.key}`, key);
}

/** The table's row for a key as written, case-sensitive as in Circus; null: unknown. */
export function findKey(section: SectionKind, key: string): KeySpec | null {
  const exact = EXACT.get(`${section} ${key}`);
  if (exact !== undefined) return exact;
  return PREFIXES.find((row) => row.section === section && key.startsWith(row.key.slice(0, -1))) ?? null;
}

/** Whole keys of a section that a typing mistake may have meant. */
export function knownKeys(section: SectionKind): readonly string[] {
  return KEYS.filter((row) => row.section === section && row.supported && !row.key.endsWith("*")).map((row) => row.key);
}
