/**
 * Every text beside the reply that makes it. The texts were taken from a running Circus 0.19.0 with these
 * replies (reference §5.6, §5.10).
 */
import { describe, expect, it } from "vitest";
import { circusText } from "./circus-text.ts";
import { isObject, readJson } from "./json.ts";

function textOf(command: string, reply: string): ReturnType<typeof circusText> {
  const value = readJson(reply);
  if (!isObject(value)) throw new Error("a reply is an object");
  return circusText(command, value);
}

const SH =
  '{"pid":7941,"cmdline":"sh","username":"root","nice":0,"mem_info1":"1.63M","mem_info2":"2.53M","cpu":0.0,"mem":0.007,"ctime":"0:00.0","create_time":1.0,"age":4.09,"started":1.0,"wid":1,"children":[' +
  '{"pid":7942,"cmdline":"sleep","username":"root","nice":0,"mem_info1":"1.36M","mem_info2":"2.44M","cpu":0.0,"mem":0.006,"ctime":"0:00.0","children":[]}]}';
const SH_TEXT = "7941  sh root 0 1.63M 2.53M 0.0 0.007 0:00.0\n   7942  sleep root 0 1.36M 2.44M 0.0 0.006 0:00.0";

describe("circusText()", () => {
  it.each<[string, string, string]>([
    [
      "status",
      '{"status":"ok","time":1.5,"statuses":{"web":"stopped","Dummy":"active"}}',
      "Dummy: active\nweb: stopped",
    ],
    ["status", '{"status":"active","time":1.5}', "active"],
    ["status", '{"status":"ok","statuses":{}}', ""],
    ["list", '{"status":"ok","watchers":["circusd-stats","single","web"]}', "circusd-stats,single,web"],
    ["list", '{"status":"ok","pids":[5836,5837]}', "5836,5837"],
    ["list", '{"status":"ok","pids":[]}', ""],
    ["numprocesses", '{"status":"ok","numprocesses":4}', "4"],
    ["numprocesses", '{"status":"ok","numprocesses":2,"watcher_name":"DUMMY"}', "2"],
    ["numwatchers", '{"status":"ok","numwatchers":3}', "3"],
    ["incr", '{"status":"ok","numprocesses":4}', "4"],
    ["incr", '{"status":"ok"}', "ok"],
    ["decr", '{"status":"ok","numprocesses":0}', "0"],
    [
      "incr",
      '{"status":"ok","numprocesses":1,"singleton":true}',
      "This watcher is a Singleton - not changing the number of processes",
    ],
    ["start", '{"status":"ok","info":{"started":[6077],"kept":[]}}', "ok"],
    ["stop", '{"status":"ok","info":null}', "ok"],
    ["restart", '{"status":"ok"}', "ok"],
    ["reload", '{"status":"ok"}', "ok"],
    ["set", '{"status":"ok"}', "ok"],
    ["signal", '{"status":"ok"}', "ok"],
    ["kill", '{"status":"ok"}', "ok"],
    ["quit", '{"status":"ok"}', "ok"],
    [
      "get",
      '{"status":"ok","options":{"numprocesses":2,"env":{"B":"2","A":"x y"},"stdout_stream_conf":{"filename":"/x"},"cmd":"sleep 1000"}}',
      "numprocesses: 2\nenv: A=x y,B=2\nstdout_stream_conf: {'filename': '/x'}\ncmd: sleep 1000",
    ],
    [
      "options",
      '{"status":"ok","options":{"args":"","env":{},"executable":null,"graceful_timeout":30.0,"max_age":0,"shell":false,"stderr_stream_conf":{},"close_child_stdin":true,"odd":["a\'b",1,null,"\\n"]}}',
      "args: \nenv: \nexecutable: \ngraceful_timeout: 30.0\nmax_age: 0\nshell: False\nstderr_stream_conf: {}\nclose_child_stdin: True\nodd: [\"a'b\", 1, None, '\\n']",
    ],
    ["globaloptions", '{"status":"ok","options":{"check_delay":5.0}}', "check_delay: 5.0"],
    [
      "listsockets",
      '{"status":"ok","sockets":[{"fd":7,"name":"ux","backlog":2048,"path":"/x.sock"},{"fd":8,"name":"web","backlog":2048,"host":"127.0.0.1","port":8080}]}',
      "7:socket 'ux' at /x.sock\n8:socket 'web' at 127.0.0.1:8080",
    ],
    ["listsockets", '{"status":"ok","sockets":[]}', ""],
    ["stats", `{"status":"ok","name":"web","info":{"7941":${SH}}}`, `web:\n7941: ${SH_TEXT}`],
    ["stats", `{"status":"ok","name":"web","info":{}}`, "web:"],
    [
      "stats",
      `{"status":"ok","infos":{"Web":{"7941":${SH},"12":"No such process (stopped?)"},"idle":{}}}`,
      `Web:\n7941: ${SH_TEXT}\n12: No such process (stopped?)\nidle:`,
    ],
    ["stats", `{"status":"ok","process":7941,"info":${SH}}`, `7941: ${SH_TEXT}\n`],
    [
      "dstats",
      `{"status":"ok","info":{"pid":9157,"cmdline":"python3","username":"root","nice":0,"mem_info1":"33.62M","mem_info2":"122.73M","cpu":0.0,"mem":0.139,"ctime":"0:00.25","children":[]}}`,
      "Main Process:\n    9157  python3 root 0 33.62M 122.73M 0.0 0.139 0:00.25",
    ],
  ])("%s %s", (command, reply, text) => {
    expect(textOf(command, reply)).toEqual({ text, isError: false });
  });

  it.each<[string, string, string]>([
    ["list", "program nope not found", "error: program nope not found"],
    ["restart", "program nope not found", "error: program nope not found"],
    ["get", "'nope' option not found", "error: 'nope' option not found"],
    ["globaloptions", "'nope' not an existing option", "'nope' not an existing option"],
    ["status", "program nope not found", "error"],
  ])("an error of %s", (command, reason, text) => {
    const reply = JSON.stringify({ status: "error", reason, tb: null, time: 1.5, errno: 3 });
    expect(textOf(command, reply)).toEqual({ text, isError: true });
  });

  it("shows something for a reply that lacks what it should have", () => {
    for (const command of ["list", "stats", "dstats", "listsockets", "options", "status", "numprocesses", "incr"]) {
      expect(typeof textOf(command, '{"status":"ok"}').text).toBe("string");
    }
    expect(textOf("list", '{"status":"error"}')).toEqual({ text: "error: None", isError: true });
  });
});
