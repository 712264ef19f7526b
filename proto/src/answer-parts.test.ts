import { describe, expect, it } from "vitest";
import { ANSWER_BYTES_MAX, AnswerReader, answerMessages } from "./answer-parts.ts";
import type { FleetAnswer } from "./commands/fleet.ts";

const BROKER_MAX = 1024 * 1024;

function answer(result: unknown): FleetAnswer {
  return { v: 1, id: "a1", ok: true, controller: "ctl1", time: 1, result };
}

function read(messages: readonly Uint8Array[]): { value: unknown; ends: boolean[] } {
  const reader = new AnswerReader();
  const ends = messages.map((message) => reader.take(message));
  return { value: reader.value, ends };
}

describe("an answer", () => {
  it("that is short goes as it is, in one message", () => {
    const messages = answerMessages(answer({ hosts: ["web1"] }))!;
    expect(messages.map((message) => new TextDecoder().decode(message))).toEqual([
      JSON.stringify(answer({ hosts: ["web1"] })),
    ]);
    expect(read(messages)).toEqual({ value: answer({ hosts: ["web1"] }), ends: [true] });
  });

  it("that is long comes in messages that the broker takes, and is whole again, also where a letter was cut", () => {
    const long = answer({ rows: Array.from({ length: 60_000 }, (_, i) => `zwölf Wörter über ${i}`) });
    const messages = answerMessages(long)!;
    expect(messages.length).toBeGreaterThan(3);
    for (const message of messages) expect(message.length).toBeLessThan(BROKER_MAX);
    const { value, ends } = read(messages);
    expect(value).toEqual(long);
    expect(ends).toEqual(messages.map((_, at) => at === messages.length - 1));
  });

  it("is not read where its bytes are not those that were announced, nor where it is no JSON", () => {
    const messages = answerMessages(answer("x".repeat(2_000_000)))!;
    expect(read([...messages.slice(0, -1), new Uint8Array(1)]).value).toBeUndefined();
    expect(read([new TextEncoder().encode("no json")])).toEqual({ value: undefined, ends: [true] });
    const hostile = new TextEncoder().encode(JSON.stringify({ v: 1, id: "a1", parts: 1e9, bytes: 1e15 }));
    expect(read([hostile]).ends).toEqual([true]); // it waits for no such thing
  });

  it("has a limit", () => {
    expect(answerMessages(answer("x".repeat(ANSWER_BYTES_MAX)))).toBeNull();
  });
});
