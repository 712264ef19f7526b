/** Messages that no client should send, each with what reference §5.3 says becomes of it. Pure but for its chance. */
import type { Chance } from "./chance.ts";

export interface Hostile {
  readonly frames: readonly (string | Buffer)[];
  /**
   * None: ignored. Else one reply with this id (as JSON text) and one of these error numbers; 0 stands for `ok`,
   * no list for any well-formed reply.
   */
  readonly reply: { readonly id: string; readonly errnos: readonly number[] | null } | null;
}

const STRINGS = [
  "",
  " ",
  "\0",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "'; drop",
  "\r\nPUB x 1\r\n",
  "../../etc",
  "$(circus.wid)",
  "((circus.env))",
  "%s%n",
  "\ud800",
  "💥",
  "a".repeat(5000),
  "nul\0byte",
  "[",
  "*",
  "(a+)+$",
];
const READS = [
  "status",
  "list",
  "stats",
  "options",
  "get",
  "numprocesses",
  "globaloptions",
  "numwatchers",
  "listsockets",
];
/** Only ever with a name that no watcher has. */
const WRITES = ["start", "stop", "restart", "reload", "signal", "kill", "incr", "decr", "set"];

const value = (dice: Chance, depth = 0): unknown => {
  switch (dice.below(depth > 3 ? 6 : 8)) {
    case 0:
      return dice.pick(STRINGS);
    case 1:
      return dice.pick([0, -1, 1.5, 2 ** 53, -(2 ** 63), 1e308, 65_536]);
    case 2:
      return dice.pick([true, false, null]);
    case 3:
      return String(dice.below(1000));
    case 4:
      return [];
    case 5:
      return {};
    case 6:
      return Array.from({ length: dice.below(4) }, () => value(dice, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: dice.below(4) }, () => [dice.pick(STRINGS), value(dice, depth + 1)]),
      );
  }
};

const KEYS = ["name", "pid", "process", "signum", "nb", "keys", "options", "match", "waiting", "option", "childpid"];
const propertiesOf = (dice: Chance): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: dice.below(5) }, () => [dice.pick(KEYS), value(dice)]));

const INVALID = { id: "null", errnos: [1] };

/** @param number makes its id unique */
export function hostile(dice: Chance, number: number): Hostile {
  const id = JSON.stringify(`f${number}`);
  const one = (message: object, errnos: readonly number[] | null): Hostile => ({
    frames: [JSON.stringify({ ...message, id: `f${number}` })],
    reply: { id, errnos },
  });
  switch (dice.below(15)) {
    case 0: {
      // 0xff is in no UTF-8 text, so it is no JSON either.
      const bytes = Buffer.from(Array.from({ length: 1 + dice.below(200) }, () => dice.below(256)));
      bytes[0] = 0xff;
      return { frames: [bytes], reply: INVALID };
    }
    case 1: {
      const text = JSON.stringify({ command: "status", id: "x", properties: propertiesOf(dice) });
      return { frames: [text.slice(0, dice.below(text.length))], reply: INVALID };
    }
    case 2: {
      const text = dice.pick(["1", "null", "true", '"status"', "[]", '["status"]', "[[[[[[]]]]]]", "-0", "1e999"]);
      return { frames: [text], reply: { id: "null", errnos: [3] } };
    }
    case 3:
      return one({ command: dice.pick<unknown>([null, 1, {}, [], true, undefined]), properties: value(dice) }, [3]);
    case 4:
      return one({ command: `${dice.pick(STRINGS)}?`, properties: value(dice) }, [2]);
    case 5:
      return one({ command: dice.pick(READS), properties: propertiesOf(dice) }, null);
    case 6:
      return one({ command: dice.pick(READS), properties: dice.pick<unknown>([1, "x", [], [1], true]) }, [3]);
    case 7: {
      const name = `nope-${dice.pick(STRINGS)}`;
      return one({ command: dice.pick(WRITES), properties: { ...propertiesOf(dice), name, match: "simple" } }, null);
    }
    case 8:
      return {
        frames: [JSON.stringify({ command: dice.pick(READS), msg_type: "cast", properties: value(dice) })],
        reply: null,
      };
    case 9: {
      const request = JSON.stringify({ command: "status", id: `f${number}` });
      const frames = dice.pick([
        [request, request],
        ["x", request],
        ["", "", request],
        ["", request, ""],
      ]);
      return { frames, reply: null };
    }
    case 11: {
      // A REQ socket's empty delimiter comes before its request; the reply has it, too.
      const request = JSON.stringify({ command: dice.pick(["status", "frob"]), id: `f${number}` });
      return { frames: ["", request], reply: { id, errnos: [0, 2] } };
    }
    case 12: {
      const odd = JSON.stringify({ command: dice.pick<unknown>([null, 1, {}, []]), msg_type: "cast", id: number });
      return { frames: [odd], reply: null };
    }
    case 13: {
      // Ids of any type come back, the last one of two counts, and bytes that are no UTF-8 harm nobody.
      const strange = dice.pick([`[${number}]`, `{"f":[${number}]}`, `${number}.5`, `"\\u00e9${number}"`]);
      const begin = Buffer.from(`{"command":"numwatchers","id":1,"x":"`);
      const end = Buffer.from(`","id":${strange}}`);
      const reply = { id: JSON.stringify(JSON.parse(strange)), errnos: [0] };
      return { frames: [Buffer.concat([begin, Buffer.from([0xc3, 0x28, 0xff]), end])], reply };
    }
    case 10: {
      // Deep, but within a frame: parsers that call themselves would run out of stack.
      const depth = 1 + dice.below(dice.below(20) === 0 ? 20_000 : 50);
      const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`;
      return { frames: [`{"command":"status","properties":{"x":${nested}},"id":${id}}`], reply: { id, errnos: null } };
    }
    default: {
      const size = dice.below(200) === 0 ? 900_000 : 2000;
      return one({ command: "status", properties: { name: "x".repeat(dice.below(size)) } }, [3, 0]);
    }
  }
}
