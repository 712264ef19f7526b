/**
 * The differential table (reference §5): request → reply, and command line → stdout, stderr, exit code. Rows stand in
 * the order in which they run, from the same beginning, through the wire and through `circusctl`: what one changes the
 * next ones see. What circusd 0.19 does otherwise stands beside the row with its reason; nothing else differs.
 */
import { fail, line, local, ok, out, type Row, record, refused } from "./rows.ts";

const STATUSES = { Dummy: "active", bad: "stopped", idle: "stopped", parent: "active", single: "active" };
const STATUS_TEXT = "Dummy: active\nbad: stopped\nidle: stopped\nparent: active\nsingle: active";
const two = ["PID", "PID"];

const OPTIONS = {
  args: "1000",
  close_child_stderr: false,
  close_child_stdin: true,
  close_child_stdout: false,
  cmd: "sleep",
  copy_env: false,
  env: {},
  executable: null,
  "flapping.active": "False",
  gid: null,
  graceful_timeout: 30,
  max_age: 0,
  max_age_variance: 30,
  max_retry: 5,
  numprocesses: 2,
  on_demand: false,
  priority: 0,
  respawn: true,
  send_hup: false,
  shell: false,
  shell_args: null,
  singleton: false,
  stderr_stream_conf: {},
  stdout_stream_conf: {},
  stop_children: false,
  stop_signal: 15,
  uid: null,
  use_sockets: false,
  warmup_delay: 0,
  working_dir: "CWD",
};
function shown(key: string, value: unknown): string {
  if (value === null || key === "env") return "";
  if (key === "graceful_timeout") return "30.0";
  return typeof value === "boolean"
    ? value
      ? "True"
      : "False"
    : typeof value === "object"
      ? "{}"
      : JSON.stringify(value).replaceAll('"', "");
}
const OPTIONS_TEXT = Object.entries(OPTIONS)
  .map(([key, value]) => `${key}: ${shown(key, value)}`)
  .join("\n");
const GLOBAL = {
  endpoint: "ENDPOINT",
  stats_endpoint: "STATS",
  pubsub_endpoint: "PUBSUB",
  check_delay: 1,
  multicast_endpoint: "",
};
const D3 = "D3: `__name__` leaks";
const D13 = "D13: no answer where the work fails";
const D14 = "D14";
/** It answers nothing, and then not before the next message comes: all later answers are late by one. */
const HOLDS_UP = "an answer is safe (§5.3)";
const RESTS = "what somebody stopped by hand is started by a command that names it, or by `start`";
const D16 = "D16: circusctl drops the flag";

const READS: readonly Row[] = [
  { ask: ["status"], reply: ok({ statuses: STATUSES }), line: "status", typed: out(STATUS_TEXT) },
  { ask: ["STATUS", { name: "DUMMY" }], reply: { status: "active" }, line: "status DUMMY", typed: out("active") },
  {
    ask: ["status", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "status nope",
    typed: { out: "", err: "error\n", code: 3 },
  },
  { line: "status a b", ...local('status: "b" is too much; usage: circusctl status [NAME]') },
  {
    ask: ["list"],
    reply: ok({ watchers: ["bad", "dummy", "idle", "parent", "single"] }),
    line: "list",
    typed: out("bad,dummy,idle,parent,single"),
  },
  { ask: ["list", { name: "Dummy" }], reply: ok({ pids: two }), line: "list Dummy", typed: out("PID,PID") },
  { ask: ["list", { name: "idle" }], reply: ok({ pids: [] }), line: "list idle", typed: out("") },
  {
    ask: ["list", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "list nope",
    typed: refused("program nope not found"),
  },
  { ask: ["numprocesses"], reply: ok({ numprocesses: 4 }), line: "numprocesses", typed: out("4") },
  {
    ask: ["numprocesses", { name: "DUMMY" }],
    reply: ok({ numprocesses: 2, watcher_name: "DUMMY" }),
    line: "numprocesses DUMMY",
    typed: out("2"),
  },
  {
    ask: ["numprocesses", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "numprocesses nope",
    typed: refused("program nope not found"),
  },
  { ask: ["numwatchers"], reply: ok({ numwatchers: 5 }), line: "numwatchers", typed: out("5") },
  { line: "numwatchers x", ...local('numwatchers: "x" is too much; usage: circusctl numwatchers') },
  {
    ask: ["options", { name: "dummy" }],
    reply: ok({ options: OPTIONS }),
    line: "options dummy",
    typed: out(OPTIONS_TEXT),
    circus: {
      why: D3,
      reply: ok({ options: { __name__: "watcher:Dummy", ...OPTIONS } }),
      typed: out(`__name__: watcher:Dummy\n${OPTIONS_TEXT}`),
    },
  },
  { ask: ["options"], reply: fail(3, "message invalid 'name' is missing") },
  { line: "options", ...local("options: NAME is missing; usage: circusctl options NAME") },
  {
    ask: ["options", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "options nope",
    typed: refused("program nope not found"),
  },
  {
    ask: ["get", { name: "dummy", keys: ["numprocesses", "env", "uid", "respawn"] }],
    reply: ok({ options: { numprocesses: 2, env: {}, uid: null, respawn: true } }),
    line: "get dummy numprocesses env uid respawn",
    typed: out("numprocesses: 2\nenv: \nuid: \nrespawn: True"),
  },
  {
    ask: ["get", { name: "dummy", keys: ["nope"] }],
    reply: fail(3, "'nope' option not found"),
    line: "get dummy nope",
    typed: refused("'nope' option not found"),
  },
  {
    ask: ["get", { name: "dummy", keys: ["flapping.active"] }],
    reply: ok({ options: { "flapping.active": "False" } }),
    line: "get dummy flapping.active",
    typed: out("flapping.active: False"),
    circus: {
      why: `${D14}: an extra key is an internal error`,
      reply: fail(5, "'Watcher' object has no attribute 'flapping.active'"),
      typed: refused("'Watcher' object has no attribute 'flapping.active'"),
    },
  },
  {
    ask: ["get", { name: "dummy", keys: "uid" }],
    reply: fail(3, "'keys' isn't a list of strings"),
    circus: { why: "a text is no list of keys", reply: fail(3, "'u' option not found") },
  },
  { ask: ["get", { name: "dummy" }], reply: fail(3, "message invalid 'keys' is missing") },
  { line: "get dummy", ...local("get: KEYS is missing; usage: circusctl get NAME KEY…") },
  {
    ask: ["globaloptions"],
    reply: ok({ options: GLOBAL }),
    line: "globaloptions",
    typed: out(
      "endpoint: ENDPOINT\nstats_endpoint: STATS\npubsub_endpoint: PUBSUB\ncheck_delay: 1.0\nmulticast_endpoint: ",
    ),
  },
  {
    ask: ["globaloptions", { option: "check_delay" }],
    reply: ok({ options: { check_delay: 1 } }),
    line: "globaloptions check_delay",
    typed: out("check_delay: 1.0"),
  },
  {
    ask: ["globaloptions", { option: "nope" }],
    reply: fail(3, "'nope' not an existing option"),
    line: "globaloptions nope",
    typed: { out: "", err: "'nope' not an existing option\n", code: 3 },
  },
  {
    ask: ["ipython"],
    reply: ok({ shell: false, msg: "this circusd is no Python program, so there is no shell inside it" }),
    line: "ipython",
    typed: out("error: Could not start ipython kernel"),
    // Where IPython is installed it would start one.
    circus: { why: "there is no Python in ours", reply: "any", typed: "any", isHarmful: true },
  },
  {
    ask: ["listsockets"],
    reply: ok({
      sockets: [
        { fd: "FD", name: "ux", backlog: 2048, path: "DIR/ux.sock" },
        { fd: "FD", name: "web", backlog: 2048, host: "127.0.0.1", port: "PORT" },
      ],
    }),
    line: "listsockets",
    typed: out("FD:socket 'ux' at DIR/ux.sock\nFD:socket 'web' at 127.0.0.1:PORT"),
  },
  {
    ask: ["stats", { name: "DUMMY" }],
    reply: ok({ name: "DUMMY", info: { PID1: record("sleep"), PID2: record("sleep") } }),
    line: "stats DUMMY",
    typed: out(`DUMMY:\nPID: ${line("sleep")}\nPID: ${line("sleep")}`),
  },
  {
    ask: ["stats", { name: "dummy", extended: true }],
    reply: ok({ name: "dummy", info: { PID1: record("sleep"), PID2: record("sleep") } }),
    line: "stats dummy --extended",
    typed: out(`dummy:\nPID: ${line("sleep")}\nPID: ${line("sleep")}`),
  },
  {
    ask: ["stats", { name: "parent", process: "$PID(parent)" }],
    reply: ok({
      process: "PROCESS",
      info: record("sh", { wid: "WID", started: "TIME", children: [record("sleep", {})] }),
    }),
    line: "stats parent $PID(parent)",
    typed: out(`PID: ${line("sh")}\n   ${line("sleep")}\n`),
  },
  {
    ask: ["stats"],
    reply: ok({
      infos: {
        Dummy: { PID1: record("sleep"), PID2: record("sleep") },
        bad: {},
        idle: {},
        parent: { PID1: record("sh", { wid: "WID", started: "TIME", children: [record("sleep", {})] }) },
        single: { PID1: record("sleep") },
      },
    }),
    line: "stats",
    typed: out(
      `Dummy:\nPID: ${line("sleep")}\nPID: ${line("sleep")}\nbad:\nidle:\nparent:\nPID: ${line("sh")}\n   ${line("sleep")}\nsingle:\nPID: ${line("sleep")}`,
    ),
  },
  {
    ask: ["stats", { name: "dummy", process: 1 }],
    reply: fail(3, "process 1 not found in 'dummy'"),
    line: "stats dummy 1",
    typed: refused("process 1 not found in 'dummy'"),
  },
  {
    ask: ["stats", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "stats nope",
    typed: refused("program nope not found"),
  },
  {
    line: "stats dummy x",
    ...local('stats: PROCESS "x" is no whole number; usage: circusctl stats [NAME] [PROCESS] [--extended]'),
  },
  {
    ask: ["dstats"],
    reply: ok({ info: record("CIRCUSD", {}) }),
    line: "dstats",
    typed: out(`Main Process:\n    ${line("CIRCUSD")}`),
  },
];

const PROTOCOL: readonly Row[] = [
  { ask: ["frob"], reply: fail(2, "unknown command: 'frob'") },
  { ask: ["it's"], reply: fail(2, `unknown command: "it's"`) },
  { frames: ["{"], reply: fail(1, "json invalid") },
  { frames: ["\u0001"], reply: fail(1, "json invalid") },
  { frames: [' {"command": "numwatchers"}\n'], reply: ok({ numwatchers: 5 }) },
  {
    frames: ['{"command": "numwatchers", "properties": null}'],
    reply: ok({ numwatchers: 5 }),
  },
  { frames: ['{"command": "list", "msg_type": "cast"}'], reply: null },
  { frames: ['{"command": "frob", "msg_type": "cast"}'], reply: null },
  { frames: ['{"command": "numwatchers", "msg_type": "frob"}'], reply: ok({ numwatchers: 5 }) },
  { frames: ['{"command": "list"}', "more"], reply: null },
  { frames: [" "], reply: fail(1, "json invalid"), circus: { why: HOLDS_UP, isHarmful: true } },
  {
    frames: ["[]"],
    reply: fail(3, "message invalid: not an object"),
    circus: { why: HOLDS_UP, isHarmful: true },
  },
  {
    frames: ["{}"],
    reply: fail(3, "message invalid 'command' is missing"),
    circus: { why: HOLDS_UP, isHarmful: true },
  },
  {
    frames: ['{"command": null}'],
    reply: fail(3, "message invalid 'command' is missing"),
    circus: { why: HOLDS_UP, isHarmful: true },
  },
  {
    frames: ['{"command": "status", "properties": [1]}'],
    reply: fail(3, "'properties' isn't a valid object"),
    circus: { why: "what is no object counts as none there", reply: ok({ statuses: STATUSES }) },
  },
];

const CHANGES: readonly Row[] = [
  {
    ask: ["incr", { name: "dummy", nb: 2, waiting: true }],
    reply: ok({ numprocesses: 4 }),
    line: "incr dummy 2 --waiting",
    typed: out("4"),
  },
  {
    ask: ["decr", { name: "Dummy", nb: 2, waiting: true }],
    reply: ok({ numprocesses: 2 }),
    line: "decr Dummy 2 --waiting",
    typed: out("2"),
  },
  {
    ask: ["incr", { name: "dummy" }],
    reply: ok(),
    line: "incr dummy",
    until: ["numprocesses", { name: "dummy" }, { numprocesses: 3 }],
  },
  {
    ask: ["decr", { name: "dummy" }],
    reply: ok(),
    line: "decr dummy",
    until: ["numprocesses", { name: "dummy" }, { numprocesses: 2 }],
  },
  {
    ask: ["incr", { name: "single" }],
    reply: ok({ numprocesses: 1, singleton: true }),
    line: "incr single",
    typed: out("This watcher is a Singleton - not changing the number of processes"),
  },
  {
    ask: ["decr", { name: "single", waiting: true }],
    reply: ok({ numprocesses: 1, singleton: true }),
    line: "decr single --waiting",
    typed: out("This watcher is a Singleton - not changing the number of processes"),
  },
  {
    ask: ["incr", { name: "idle", waiting: true }],
    reply: ok({ numprocesses: 2 }),
    line: "incr idle --waiting",
    typed: out("2"),
  },
  {
    ask: ["decr", { name: "idle", nb: 9, waiting: true }],
    reply: ok({ numprocesses: 0 }),
    line: "decr idle 9 --waiting",
    typed: out("0"),
  },
  {
    ask: ["incr", { name: "idle", waiting: true }],
    reply: ok({ numprocesses: 1 }),
    line: "incr idle --waiting",
    typed: out("1"),
  },
  {
    ask: ["incr", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "incr nope",
    typed: refused("program nope not found"),
  },
  {
    ask: ["incr", { name: "dummy", nb: "x", waiting: true }],
    reply: fail(3, "'nb' isn't an integer"),
    circus: { why: D13, reply: null },
  },
  { ask: ["incr"], reply: fail(3, "message invalid 'name' is missing") },
  { line: "incr", ...local("incr: NAME is missing; usage: circusctl incr NAME [N] [--waiting]") },
  { line: "incr dummy x", ...local('incr: NB "x" is no whole number; usage: circusctl incr NAME [N] [--waiting]') },

  {
    ask: ["start", { name: "dummy", waiting: true }],
    reply: ok({ info: { started: [], kept: two } }),
    line: "start dummy --waiting",
  },
  {
    ask: ["restart", { name: "dummy", waiting: true }],
    reply: ok({ info: { stopped: two, started: two, kept: [] } }),
    line: "restart dummy --waiting",
  },
  { ask: ["stop", { name: "dummy", waiting: true }], reply: ok({ info: null }), line: "stop dummy --waiting" },
  { ask: ["status", { name: "dummy" }], reply: { status: "stopped" }, line: "status dummy", typed: out("stopped") },
  { ask: ["list", { name: "dummy" }], reply: ok({ pids: [] }), line: "list dummy", typed: out("") },
  { ask: ["stop", { name: "dummy", waiting: true }], reply: ok({ info: null }), line: "stop dummy --waiting" },
  {
    ask: ["start", { name: "dummy", waiting: true }],
    reply: ok({ info: { started: two, kept: [] } }),
    line: "start dummy --waiting",
  },
  {
    ask: ["reload", { name: "dummy", graceful: true, sequential: false, waiting: true }],
    reply: ok({ info: { stopped: two, started: two, kept: [] } }),
    line: "reload dummy --waiting",
  },
  {
    ask: ["reload", { name: "dummy", graceful: true, sequential: true, waiting: true }],
    reply: ok({ info: { stopped: two, started: two, kept: [] } }),
    line: "reload dummy --sequential --waiting",
  },
  {
    ask: ["reload", { name: "dummy", graceful: false, sequential: false, waiting: true }],
    reply: ok({ info: { stopped: two, started: two, kept: [] } }),
    line: "reload dummy --terminate --waiting",
  },
  {
    ask: ["stop", { name: "dummy" }],
    reply: ok(),
    line: "stop dummy",
    until: ["status", { name: "dummy" }, { status: "stopped" }],
  },
  {
    ask: ["start", { name: "dummy" }],
    reply: ok(),
    line: "start dummy",
    until: ["status", { name: "dummy" }, { status: "active" }],
  },
  {
    ask: ["reload", { name: "single" }],
    reply: ok(),
    line: "reload single",
    until: ["numprocesses", { name: "single" }, { numprocesses: 1 }],
  },
  ...(["start", "stop", "restart"] as const).map((verb) => ({
    ask: [verb, { name: "nope" }] as const,
    reply: fail(3, "program nope not found"),
    line: `${verb} nope`,
    typed: refused("program nope not found"),
  })),
  {
    ask: ["reload", { name: "nope", waiting: true }],
    reply: fail(3, "program nope not found"),
    line: "reload nope --waiting",
    typed: refused("program nope not found"),
  },
  {
    ask: ["start", { name: "id*", waiting: true }],
    reply: ok({ info: { started: ["PID"], kept: [] } }),
    line: "start id* --waiting",
  },
  {
    ask: ["stop", { name: "^ID", match: "regex", waiting: true }],
    reply: ok({ info: null }),
    line: "stop ^ID --match regex --waiting",
  },
  { ask: ["start", { name: "[dis]*", waiting: true }], reply: ok(), line: "start [dis]* --waiting" },
  { ask: ["status", { name: "idle" }], reply: { status: "stopped" }, line: "status idle", typed: out("stopped") },
  {
    ask: ["stop", { name: "dumm", match: "simple" }],
    reply: fail(3, "program dumm not found"),
    line: "stop dumm --match simple",
    typed: refused("program dumm not found"),
  },
  {
    ask: ["restart", { name: "dummy", match: "frob" }],
    reply: fail(3, "unknown match method frob"),
    line: "restart dummy --match frob",
    typed: refused("unknown match method frob"),
  },
  { line: "start a b", ...local('start: "b" is too much; usage: circusctl start [NAME] [--match MATCH] [--waiting]') },
  { line: "stop idle more --waiting" },
  { ask: ["start", { name: "bad" }], reply: ok(), line: "start bad" },
  {
    ask: ["start", { name: "bad", waiting: true }],
    reply: fail(6, "cannot run '/no/such/program': no such file"),
    line: "start bad --waiting",
    typed: refused("cannot run '/no/such/program': no such file"),
    circus: { why: D13, isHarmful: true },
  },
  { ask: ["status", { name: "bad" }], reply: { status: "stopped" }, line: "status bad", typed: out("stopped") },
];

const SETTINGS: readonly Row[] = [
  {
    ask: ["set", { name: "dummy", options: { numprocesses: 3 }, waiting: true }],
    reply: ok(),
    line: "set dummy numprocesses 3 --waiting",
  },
  {
    ask: ["get", { name: "dummy", keys: ["numprocesses"] }],
    reply: ok({ options: { numprocesses: 3 } }),
    line: "get dummy numprocesses",
    typed: out("numprocesses: 3"),
  },
  {
    ask: ["numprocesses", { name: "dummy" }],
    reply: ok({ numprocesses: 3, watcher_name: "dummy" }),
    line: "numprocesses dummy",
    typed: out("3"),
  },
  {
    ask: ["set", { name: "dummy", options: { numprocesses: 2, graceful_timeout: 2.5, stop_signal: 2 }, waiting: true }],
    reply: ok(),
    line: "set dummy numprocesses 2 graceful_timeout 2.5 stop_signal INT --waiting",
    circus: { why: "a signal may be named", typed: "any" },
  },
  {
    ask: ["get", { name: "dummy", keys: ["graceful_timeout"] }],
    reply: ok({ options: { graceful_timeout: 2.5 } }),
    line: "get dummy graceful_timeout",
    typed: out("graceful_timeout: 2.5"),
    circus: { why: "follows from the row before", typed: "any" },
  },
  {
    ask: ["set", { name: "dummy", options: { max_age: 3600 } }],
    reply: ok(),
    line: "set dummy MAX_AGE 3600",
    until: ["get", { name: "dummy", keys: ["max_age"] }, { options: { max_age: 3600 } }],
  },
  {
    ask: ["set", { name: "dummy", options: { args: "1004" }, waiting: true }],
    reply: ok(),
    line: "set dummy args 1004 --waiting",
    circus: { why: "its circusctl knows no args, which the wire takes", reply: "any", typed: "any" },
  },
  {
    ask: ["set", { name: "dummy", options: { respawn: true }, waiting: true }],
    reply: ok(),
    line: "set dummy respawn yes --waiting",
  },
  { ask: ["set", { name: "dummy", options: { max_age: "1" } }], reply: fail(3, "'max_age' isn't an integer") },
  {
    ask: ["set", { name: "dummy", options: { graceful_timeout: "1" } }],
    reply: fail(3, "'graceful_timeout' isn't a number"),
  },
  { ask: ["set", { name: "dummy", options: { uid: 1.5 } }], reply: fail(3, "'uid' isn't an integer or string") },
  { ask: ["set", { name: "dummy", options: { shell: 1 } }], reply: fail(3, "'shell' isn't a valid boolean") },
  { ask: ["set", { name: "dummy", options: { env: [] } }], reply: fail(3, "'env' isn't a valid object") },
  { ask: ["set", { name: "dummy", options: { env: { A: 1 } } }], reply: fail(3, "'A' isn't a string") },
  { ask: ["set", { name: "dummy", options: { nope: 1 } }], reply: fail(3, "unknown key 'nope'") },
  { ask: ["set", { name: "dummy", options: 3 }], reply: fail(3, "'options' property should be an object") },
  { ask: ["set", { name: "dummy" }], reply: fail(3, "message invalid 'options' is missing") },
  {
    ask: ["set", { name: "nope", options: { max_age: 1 } }],
    reply: fail(3, "program nope not found"),
    line: "set nope max_age 1",
    typed: refused("program nope not found"),
  },
  {
    ask: ["set", { name: "single", options: { numprocesses: 2 }, waiting: true }],
    reply: fail(5, "Singleton watcher has a single process"),
    line: "set single numprocesses 2 --waiting",
    typed: refused("Singleton watcher has a single process"),
  },
  { line: "set dummy nope 1", typed: { out: "", err: "unknown key 'nope'\n", code: 1 } },
  { line: "set dummy max_age x", ...local("'max_age' isn't an integer") },
  { line: "set dummy shell maybe", ...local("'shell' isn't a valid boolean") },
  { line: "set dummy env A=1", ...local("unknown key 'env'") },
  { line: "set dummy", ...local("set: OPTIONS is missing; usage: circusctl set NAME KEY VALUE… [--waiting]") },
  {
    line: "set dummy max_age 1 shell",
    ...local("set: shell has no value; usage: circusctl set NAME KEY VALUE… [--waiting]"),
  },
];

const SIGNALS: readonly Row[] = [
  { ask: ["signal", { name: "dummy", signum: "cont" }], reply: ok(), line: "signal dummy cont" },
  {
    ask: ["signal", { name: "dummy", pid: "$PID(dummy)", signum: "SIGCONT" }],
    reply: ok(),
    line: "signal dummy $PID(dummy) SIGCONT",
  },
  { ask: ["signal", { name: "dummy", pid: 1, signum: 18 }], reply: ok(), line: "signal dummy 1 18" },
  {
    ask: ["signal", { name: "parent", signum: "18", children: true }],
    reply: ok(),
    line: "signal --children parent 18",
  },
  {
    ask: ["signal", { name: "parent", signum: "CONT", recursive: true }],
    reply: ok(),
    line: "signal --recursive parent CONT",
  },
  {
    line: "signal parent --recursive CONT",
    circus: { why: "options may stand anywhere", typed: { out: "", code: 2 } },
  },
  { ask: ["signal", { name: "dummy", signum: 0 }], reply: ok(), line: "signal dummy 0" },
  {
    ask: ["signal", { name: "dummy", signum: "65" }],
    reply: fail(3, "signal invalid"),
    line: "signal dummy 65",
    typed: refused("signal invalid"),
    circus: {
      why: "the kernel's complaint there",
      reply: fail(4, "[Errno 22] Invalid argument"),
      typed: { out: "", code: 3 },
    },
  },
  {
    ask: ["signal", { name: "dummy", signum: "!" }],
    reply: fail(3, "signal invalid"),
    line: "signal dummy !",
    typed: refused("signal invalid"),
  },
  {
    ask: ["signal", { name: "dummy", signum: "nosuch" }],
    reply: fail(5, "unknown signal nosuch"),
    line: "signal dummy nosuch",
    typed: refused("unknown signal nosuch"),
    circus: { why: "Python's own complaint, the same errno", reply: "any", typed: { out: "", code: 3 } },
  },
  {
    ask: ["signal", { name: "nope", signum: 18 }],
    reply: fail(3, "program nope not found"),
    line: "signal nope 18",
    typed: refused("program nope not found"),
  },
  { ask: ["signal", { name: "dummy" }], reply: fail(3, "message invalid 'signum' is missing") },
  {
    line: "signal dummy",
    ...local("signal: SIGNUM is missing; usage: circusctl signal NAME [PID] SIGNUM [--children] [--recursive]"),
  },
  {
    ask: ["signal", { name: "dummy", childpid: 1, signum: 18 }],
    reply: fail(3, "cannot specify childpid without pid"),
    circus: { why: "the same reason under errno 5", reply: fail(5, "cannot specify childpid without pid") },
  },
  {
    ask: ["kill", { name: "dummy", pid: "$PID(dummy)", signum: "KILL" }],
    reply: ok(),
    line: "kill dummy $PID(dummy) --signum KILL",
    until: ["numprocesses", { name: "dummy" }, { numprocesses: 2 }],
  },
  { ask: ["kill", { name: "idle", waiting: true }], reply: ok(), line: "kill idle --waiting" },
  {
    ask: ["kill", { name: "single", signum: "TERM", graceful_timeout: "3", waiting: true }],
    reply: ok(),
    line: "kill single --signum TERM --graceful_timeout 3 --waiting",
    circus: { why: "D16: a timeout as text makes the process unkillable", isHarmful: true },
    until: ["numprocesses", { name: "single" }, { numprocesses: 1 }],
  },
  { ask: ["kill", { name: "nope" }], reply: ok(), line: "kill nope" },
  {
    ask: ["kill", { name: "nope", waiting: true }],
    reply: fail(6, "program nope not found"),
    line: "kill nope --waiting",
    typed: refused("program nope not found"),
    circus: {
      why: `${D16}; and errno 6 says why`,
      reply: fail(6, "server error"),
      typed: out("ok"),
      mixed: refused("server error"), // our circusctl sends the flag, circusd answers as it does
    },
  },
  {
    ask: ["kill", { name: "dummy", signum: "!" }],
    reply: fail(3, "signal invalid"),
    line: "kill dummy --signum !",
    typed: refused("signal invalid"),
  },
  {
    line: "kill",
    ...local(
      "kill: NAME is missing; usage: circusctl kill NAME [PID] [--signum SIGNUM] [--graceful_timeout GRACEFUL_TIMEOUT] [--waiting]",
    ),
  },
];

const PROGRAM: readonly Row[] = [
  { line: "--version", typed: out("circusctl 0.19.0") },
  {
    line: "frob",
    ...local("circusctl: unknown command 'frob'\nusage: circusctl [options] command [args]; try circusctl --help", 2),
  },
  {
    line: "list --frob",
    ...local("circusctl: unknown option --frob\nusage: circusctl [options] command [args]; try circusctl --help", 2),
  },
  { line: "--timeout x list", ...local('circusctl: --timeout "x" is no time such as 10s or 1m30s', 2) },
  { line: "--endpoint nonsense list", ...local('circusctl: cannot connect to "nonsense": Invalid argument') },
];

const COMING_AND_GOING: readonly Row[] = [
  {
    ask: ["add", { name: "z", cmd: "sleep 1005" }],
    reply: ok(),
    line: "add z sleep 1005",
    until: ["numwatchers", {}, { numwatchers: 6 }],
  },
  { ask: ["status", { name: "z" }], reply: { status: "stopped" }, line: "status z", typed: out("stopped") },
  {
    ask: ["add", { name: "y", cmd: "sleep 1006", start: true, waiting: true }],
    reply: ok({ started: ["PID"], kept: [] }),
    line: "add --start y sleep 1006",
    until: ["status", { name: "y" }, { status: "active" }],
  },
  {
    ask: ["get", { name: "y", keys: ["cmd", "env"] }],
    reply: ok({ options: { cmd: "sleep 1006", env: {} } }),
    line: "get y cmd env",
    typed: out("cmd: sleep 1006\nenv: "),
    circus: {
      why: "an environment is an object, also where none was given",
      reply: ok({ options: { cmd: "sleep 1006", env: null } }),
    },
  },
  {
    ask: ["add", { name: "Z", cmd: "sleep 1" }],
    reply: fail(5, "'Z' already exist"),
    line: "add Z sleep 1",
    typed: refused("'Z' already exist"),
  },
  { ask: ["add", { name: "x" }], reply: fail(3, "message invalid 'cmd' is missing") },
  { ask: ["add", { name: "x", cmd: "a", options: { priority: 1 } }], reply: fail(3, "unknown key 'priority'") },
  { ask: ["add", { name: "x", cmd: "a", options: 3 }], reply: fail(3, "'options' property should be an object") },
  { line: "add x", ...local("add: CMD is missing; usage: circusctl add NAME CMD… [--start] [--waiting]") },
  {
    ask: ["rm", { name: "z", waiting: true }],
    reply: ok(),
    line: "rm z",
    until: ["numwatchers", {}, { numwatchers: 6 }],
  },
  {
    ask: ["rm", { name: "y", nostop: false }],
    reply: ok(),
    line: "rm y",
    until: ["numwatchers", {}, { numwatchers: 5 }],
  },
  {
    ask: ["rm", { name: "nope" }],
    reply: fail(3, "program nope not found"),
    line: "rm nope",
    typed: refused("program nope not found"),
  },
  { line: "rm", ...local("rm: NAME is missing; usage: circusctl rm NAME [--nostop] [--waiting]") },
  { ask: ["reloadconfig", { waiting: true }], reply: ok(), line: "reloadconfig --waiting" },
  {
    ask: ["list"],
    reply: ok({ watchers: ["bad", "dummy", "idle", "parent", "single"] }),
    line: "list",
    typed: out("bad,dummy,idle,parent,single"),
  },
  { ask: ["listen"], reply: fail(3, "invalid message. use a pub/sub socket") },
];

/** Of the whole agent: these come last. */
const WHOLE: readonly Row[] = [
  { ask: ["stop", { waiting: true }], reply: ok(), line: "stop --waiting" },
  { ask: ["numprocesses"], reply: ok({ numprocesses: 0 }), line: "numprocesses", typed: out("0") },
  {
    ask: ["start", { waiting: true }],
    reply: ok(),
    line: "start --waiting",
    until: ["status", {}, { statuses: STATUSES }],
  },
  { ask: ["status"], reply: ok({ statuses: STATUSES }), line: "status", typed: out(STATUS_TEXT) },
  {
    ask: ["reload", { graceful: true, sequential: false, waiting: true }],
    reply: ok(),
    line: "reload --waiting",
  },
  {
    ask: ["status", { name: "idle" }],
    reply: { status: "stopped" },
    line: "status idle",
    typed: out("stopped"),
    circus: { why: RESTS, reply: { status: "active" }, typed: out("active") },
  },
  {
    ask: ["restart", { waiting: true }],
    reply: ok(),
    line: "restart --waiting",
    until: ["status", {}, { statuses: STATUSES }],
  },
  {
    ask: ["get", { name: "dummy", keys: ["max_age", "args"] }],
    reply: ok({ options: { max_age: 0, args: "1000" } }),
    line: "get dummy max_age args",
    typed: out("max_age: 0\nargs: 1000"),
  },
  { ask: ["quit", { waiting: true }], reply: ok(), line: "quit --waiting" },
];

export const TABLE: readonly Row[] = [
  ...READS,
  ...PROTOCOL,
  ...CHANGES,
  ...SETTINGS,
  ...SIGNALS,
  ...PROGRAM,
  ...COMING_AND_GOING,
  ...WHOLE,
];
