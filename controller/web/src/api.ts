/** The controller's HTTP API as the page uses it: the token, the questions, the changes, the live stream. */
import type { FleetAnswers } from "@circus-cluster/proto";
import { createParser } from "eventsource-parser";

const KEY = "circus-token";

/** Who the token belongs to. */
export interface Me {
  readonly name: string | null;
  readonly role: "viewer" | "operator" | null;
  readonly controller: string;
  readonly fleet: string;
  /** Why a token is needed; null: it is not, or was given. */
  readonly refused: string | null;
}

/** An answer that is none; `message` is one line for people. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

export function token(): string | null {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
}

/** @param isKept over the end of the browser, too */
export function setToken(text: string | null, isKept = false): void {
  for (const storage of [sessionStorage, localStorage]) storage.removeItem(KEY);
  if (text !== null) (isKept ? localStorage : sessionStorage).setItem(KEY, text);
}

export async function me(): Promise<Me> {
  const response = await request("whoami", {});
  return (await response.json()) as Me;
}

/** Asks a question. @throws ApiError */
export async function ask<V extends keyof FleetAnswers>(
  verb: V,
  query: Readonly<Record<string, string | number | null>> = {},
  signal?: AbortSignal,
): Promise<FleetAnswers[V]> {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  const response = await request(text === "" ? verb : `${verb}?${text}`, signal === undefined ? {} : { signal });
  return ((await response.json()) as { result: FleetAnswers[V] }).result;
}

/** Asks for a change. @throws ApiError */
export async function change<V extends keyof FleetAnswers>(verb: V, properties: object): Promise<FleetAnswers[V]> {
  const headers = { "Content-Type": "application/json" };
  const response = await request(verb, { method: "POST", headers, body: JSON.stringify(properties) });
  return ((await response.json()) as { result: FleetAnswers[V] }).result;
}

export interface StreamMessage {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Without a sign of life of this long (the controller gives one every 15 s) the line is dead. */
const SILENCE_MS = 40_000;

/** Reads a stream of the API until it ends. @throws ApiError, or what `fetch` throws where nobody is there */
export async function* stream(path: string, lastId: string | null, signal: AbortSignal): AsyncGenerator<StreamMessage> {
  const headers: Record<string, string> = lastId === null ? {} : { "Last-Event-ID": lastId };
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const response = await request(path, { headers, signal: AbortSignal.any([signal, silence.signal]) });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const messages: StreamMessage[] = [];
  const parser = createParser({
    onEvent: ({ id, event = "message", data }) => messages.push({ id, event, data }),
  });
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      parser.feed(value);
      yield* messages.splice(0);
    }
  } finally {
    clearTimeout(timer);
    void reader?.cancel().catch(() => undefined);
  }
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const bearer = token();
  const headers = { ...(init.headers as Record<string, string> | undefined) };
  if (bearer !== null) headers["Authorization"] = `Bearer ${bearer}`;
  const response = await fetch(`api/v1/${path}`, { ...init, headers, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { error?: { reason?: string } };
  throw new ApiError(response.status, body.error?.reason ?? `the controller answered ${response.status}`);
}
