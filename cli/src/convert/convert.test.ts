import { describe, expect, it } from "vitest";
import { readEnvironment, readSupervisord } from "./read.ts";
import { type Converted, convertSupervisord } from "./supervisord.ts";

function convert(text: string): Converted {
  const read = readSupervisord(text);
  if (!read.ok) throw new Error(`${read.line}: ${read.reason}`);
  return convertSupervisord(read.sections, "/etc/supervisor");
}

/** Without its head of remarks. */
const body = (text: string): string =>
  convert(text)
    .ini.split("\n")
    .filter((line) => !line.startsWith(";"))
    .join("\n");
const notes = (text: string): string[] => convert(text).notes.map((note) => `${note.line}: ${note.text}`);
const program = (more: string): string => `[program:web]\ncommand = /bin/app\nautorestart = true\n${more}\n`;

describe("supervisord's dialect", () => {
  it("has comments, continuations and both delimiters; the last key counts", () => {
    const read = readSupervisord(
      "; a comment\n[program:a] ; here too\ncommand: /bin/a x;y ; not this\n  --more\n# nor this\n\nuser=me\nUSER = you\n",
    );
    expect(read.ok && read.sections.map(({ name, values }) => [name, [...values]])).toEqual([
      [
        "program:a",
        [
          ["command", { text: "/bin/a x;y\n--more", line: 3 }],
          ["user", { text: "you", line: 8 }],
        ],
      ],
    ]);
  });

  it.each([
    ["a = 1\n[program:a]", "1: 'a' stands before any section"],
    ["[program:a]\nhm", "2: 'hm' is no 'key = value'"],
    ["[program:a]\n[program:a]", "2: [program:a] stands there twice"],
  ])("refuses %j", (text, expected) => {
    const read = readSupervisord(text);
    expect(read.ok ? "" : `${read.line}: ${read.reason}`).toBe(expected);
  });

  it("reads environments", () => {
    expect(readEnvironment('A="1",B=\'2, or 3\', C = x,\n D="a=b"')).toEqual([
      ["A", "1"],
      ["B", "2, or 3"],
      ["C", "x"],
      ["D", "a=b"],
    ]);
    expect(readEnvironment("")).toEqual([]);
    expect(readEnvironment("A")).toBeNull();
  });
});

describe("a supervisord.conf", () => {
  it("is a circus.ini of the same meaning", () => {
    expect(
      body(`
[supervisord]
logfile = %(here)s/log
loglevel = warn
pidfile = /run/s.pid
nodaemon = true
environment = LANG="C.UTF-8",HOME=%(ENV_HOME)s
[program:web]
command = %(here)s/bin/web --number %(process_num)d --name %(program_name)s --rate 5%%
numprocs = 4
directory = /srv/web
user = www
priority = 10
autostart = false
autorestart = true
startsecs = 5
startretries = 7
stopsignal = QUIT
stopwaitsecs = 20
stopasgroup = true
stdout_logfile = /var/log/web.log
stdout_logfile_maxbytes = 1MB
redirect_stderr = true
environment = PORT="80"
`),
    ).toBe(`[circus]
logoutput = /etc/supervisor/log
loglevel = warning
pidfile = /run/s.pid

[env]
LANG = C.UTF-8
HOME = $(circus.env.HOME)

[watcher:web]
cmd = /etc/supervisor/bin/web --number $(circus.wid) --name web --rate 5%
numprocesses = 4
working_dir = /srv/web
uid = www
copy_env = True
autostart = False
priority = 989
ready.min_uptime = 5s
max_retry = 7
stop_signal = SIGQUIT
graceful_timeout = 20
stop_children = True
stdout_stream.class = FileStream
stdout_stream.filename = /var/log/web.log
stdout_stream.max_bytes = 1048576
stdout_stream.backup_count = 10
stderr_stream.class = FileStream
stderr_stream.filename = /var/log/web.log
stderr_stream.max_bytes = 1048576
stderr_stream.backup_count = 10

[env:web]
PORT = 80
`);
  });

  it("has supervisord's defaults where Circus has others", () => {
    expect(body(program(""))).toBe(`[circus]
check_delay = 5

[watcher:web]
cmd = /bin/app
copy_env = True
ready.min_uptime = 1s
max_retry = 3
graceful_timeout = 10
stdout_stream.class = StdoutStream
stderr_stream.class = StdoutStream
`);
  });

  it("gives FastCGI programs their socket as stdin", () => {
    const fcgi = (socket: string): string => body(`[fcgi-program:Php]\ncommand=php\nautorestart=true\n${socket}`);
    expect(fcgi("socket=tcp://127.0.0.1:9000")).toContain("[socket:php]\nhost = 127.0.0.1\nport = 9000\n");
    expect(fcgi("socket=tcp://:9000")).toContain("host = 0.0.0.0\n");
    const unix = fcgi("socket=unix:///run/%(program_name)s.sock\nsocket_owner=www:web\nsocket_mode=0770");
    expect(unix).toContain(
      "[socket:php]\nfamily = AF_UNIX\npath = /run/Php.sock\nreplace = True\nowner = www\ngroup = web\numask = 007\n",
    );
    expect(unix).toContain("[watcher:Php]\ncmd = php\ncopy_env = True\nstdin_socket = php\nuse_sockets = True\n");
    expect(notes("[fcgi-program:p]\ncommand=p\nautorestart=true\nsocket=9000")).toEqual([
      "4: 'socket' of p is neither tcp://HOST:PORT nor unix://PATH",
    ]);
  });

  it("sends output where it went", () => {
    const out = (value: string): string => body(program(`stdout_logfile = ${value}\nstderr_logfile = NONE`));
    expect(out("NONE")).toContain("close_child_stdout = True\nclose_child_stderr = True\n");
    expect(out("/dev/stdout\nstdout_logfile_maxbytes = 0")).toContain("stdout_stream.class = StdoutStream\n");
    expect(out("/l\nstdout_logfile_maxbytes = 0")).toContain("stdout_stream.filename = /l\nclose_child_stderr");
    expect(out("/l\nstdout_logfile_backups = 2")).toContain("max_bytes = 52428800\nstdout_stream.backup_count = 2\n");
    expect(notes(program("stdout_logfile = /l\nstdout_logfile_maxbytes = many"))).toEqual(["5: web: that is no size"]);
  });

  it.each([
    [
      "[group:all]\nprograms = web, db",
      "1: there are no groups: name watchers alike and say so, 'circusctl restart all*' (here: web, db)",
    ],
    [
      "[eventlistener:mail]\ncommand = x",
      "1: event listener 'mail' speaks supervisord's protocol: see plugins, or circusctl listen",
    ],
    [
      "[inet_http_server]\nport = 9001",
      "1: there is no HTTP server; circusctl speaks to 'endpoint', and a controller serves HTTP",
    ],
    ["[who:x]", "1: [who:x] is not known"],
    ["[include]\nfiles = conf.d/*.conf", "2: the files that it names are to be converted too"],
    ["[supervisord]\nuser = me\nnodaemon = true", "2: start circusd as me, or give each watcher its 'uid'"],
    ["[supervisord]\nchildlogdir = /l", "1: circusd stays in the foreground; --daemon sends it back"],
    ["[supervisord]\nnodaemon = true\nmystery = 1", "3: 'mystery' is not known"],
    [program("exitcodes = 0,2"), "4: web: there are no expected exit codes"],
    [program("umask = 022"), "4: web: there is one umask for all, in [circus]"],
    [program("environment = A"), "4: 'environment' is no list of KEY=value"],
    [program("directory = %(group_name)s"), "4: '%(group_name)s' has no counterpart and was left as it is"],
    [program("stdout_events_enabled = true"), "4: web: no 'stdout_events_enabled'"],
    [
      "[program:web]\ncommand = x",
      "2: web is started again after any end; 'respawn = False' for a job that ends by itself",
    ],
    [
      program("process_name = %(program_name)s_%(process_num)02d"),
      "4: web: processes have numbers, not names; $(circus.wid) is that number",
    ],
    [
      program("numprocs = 2\ndirectory = /srv/%(process_num)02d"),
      "5: $(circus.wid) counts from 1, where process_num counts from 0, without leading zeros",
    ],
  ])("%# says what has no counterpart", (text, expected) => {
    expect(notes(text)).toEqual([expected]);
    expect(convert(text).ini).toContain(`; line ${expected}`);
  });
});
