import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRequest, encodeReply, rawMember } from "./zmq-frames.ts";

const id = Buffer.from("client");
const decode = (text: string, ...before: Buffer[]) => decodeRequest([id, ...before, Buffer.from(text)]);

describe("decodeRequest()", () => {
  it("takes a DEALER's and a REQ's request, and keeps the latter's delimiter", () => {
    const text = ' {"command":"list","properties":{"name":"x"},"id":"7"}\n';
    const expected = { kind: "request", command: "list", properties: { name: "x" }, isCast: false, id: '"7"' };
    expect(decode(text)).toEqual({ ...expected, envelope: [id] });
    expect(decode(text, Buffer.alloc(0))).toEqual({ ...expected, envelope: [id, Buffer.alloc(0)] });
  });

  it.each([
    ["", "json-invalid", "json invalid", "null"],
    ["{", "json-invalid", "json invalid", "null"],
    ["[1]", "message", "message invalid: not an object", "null"],
    ["null", "message", "message invalid: not an object", "null"],
    ['{"id":[1, 2]}', "message", "message invalid 'command' is missing", "[1, 2]"],
    ['{"id":"a","command":5}', "message", "message invalid 'command' is missing", '"a"'],
  ])("answers %j with an error", (text, error, reason, rawId) => {
    expect(decode(text)).toEqual({ kind: "bad", envelope: [id], error, reason, id: rawId });
  });

  it("ignores frames that are no request, and casts that cannot be understood", () => {
    expect(decodeRequest([])).toEqual({ kind: "ignored" });
    expect(decodeRequest([id])).toEqual({ kind: "ignored" });
    expect(decode("{}", Buffer.from("x"))).toEqual({ kind: "ignored" });
    expect(decode("{}", Buffer.alloc(0), Buffer.alloc(0))).toEqual({ kind: "ignored" });
    expect(decode('{"msg_type":"cast"}')).toEqual({ kind: "ignored" });
  });

  it.each(["12345678901234567890", "1.0", '{"a": [1, "}"]}', "[]", "-0.5e3", '"x"', "true", "null"])(
    "keeps the id %s as it was written",
    (raw) => {
      expect(decode(`{"command":"list","id":${raw}}`)).toMatchObject({ id: raw });
    },
  );

  it("never throws, whatever arrives", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 4 }), (frames) => {
        decodeRequest(frames.map((frame) => Buffer.from(frame)));
      }),
      { numRuns: 2000 },
    );
  });
});

it("`rawMember` finds what JSON.parse finds, in any valid object", () => {
  const member = fc.tuple(fc.oneof(fc.constant("id"), fc.string()), fc.jsonValue());
  fc.assert(
    fc.property(fc.array(member), fc.constantFrom("", " ", "\n"), (members, gap) => {
      const text = `{${members.map(([key, value]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(value)}${gap}`).join(",")}}`;
      const raw = rawMember(text, "id");
      const parsed = JSON.parse(text) as Record<string, unknown>;
      const own = Object.getOwnPropertyDescriptor(parsed, "id");
      if (own === undefined) expect(raw).toBeNull();
      else expect(JSON.parse(raw ?? "")).toEqual(own.value);
    }),
    { numRuns: 1000 },
  );
});

describe("encodeReply()", () => {
  it("writes Python's floats as floats, everything else as JSON does", () => {
    const reply = { status: "ok", time: 2, options: { graceful_timeout: 30, max_age: 0, env: {}, list: [1, null] } };
    expect(encodeReply(reply, '"a"')).toBe(
      '{"status":"ok","time":2.0,"options":{"graceful_timeout":30.0,"max_age":0,"env":{},"list":[1,null]},"id":"a"}',
    );
  });

  it("means the same as JSON.stringify", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        const { id: _id, ...rest } = fields;
        const reply = { status: "ok", time: 1.5, ...rest };
        expect(JSON.parse(encodeReply(reply, "null"))).toEqual(JSON.parse(JSON.stringify({ ...reply, id: null })));
      }),
    );
  });
});
