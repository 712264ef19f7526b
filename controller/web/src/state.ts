/** The page's state as signals, kept current by the live stream; and what is behind the address's `#`. */
import { computed, signal } from "@preact/signals";
import { ApiError, ask, type Me, me, stream, token } from "./api.ts";
import { EMPTY, type Entry, headOf, type Picture, pictureOf, withEntries, withInfos } from "./model.ts";

/** How often what the stream tells is drawn. */
const DRAW_MS = 250;
/** How often `hosts` is asked for ages, loads and labels: as often as hosts beat, of many less often. */
const INFO_MS = 5000;
const INFO_MS_A_HOST = 15;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;

export const now = signal(Date.now());
export const user = signal<Me | null>(null);
/** `unknown` until the controller said whether a token is needed. */
export const access = signal<"unknown" | "needed" | "granted">("unknown");
/** Why somebody who had a token is asked for one again. */
export const refusal = signal<string | null>(null);
export const picture = signal<Picture>(EMPTY);
/** Page ms at which the controller was heard last, and what is wrong where it is not heard. */
export const line = signal<{ readonly heard: number | null; readonly trouble: string | null }>({
  heard: null,
  trouble: null,
});
export const mayChange = computed(() => user.value?.role === "operator");

export const route = signal(readRoute());

export interface PageRoute {
  readonly page: string;
  readonly args: readonly string[];
  readonly query: URLSearchParams;
}

function readRoute(): PageRoute {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...args] = path.split("/").map((part) => safeDecode(part));
  return { page, args, query: new URLSearchParams(query) };
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a page. */
export function href(page: string, ...args: readonly string[]): string {
  return `#/${[page, ...args]
    .filter((part) => part !== "")
    .map(encodeURIComponent)
    .join("/")}`;
}

export function start(): void {
  addEventListener("hashchange", () => {
    route.value = readRoute();
    document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  setInterval(() => (now.value = Date.now()), 1000);
  void enter();
}

/** Asks who we are, until somebody answers; then follows the fleet. @returns why the controller refused */
export async function enter(): Promise<string | null> {
  try {
    const answer = await me();
    user.value = answer;
    access.value = answer.refused === null ? "granted" : "needed";
    refusal.value = token() === null ? null : answer.refused;
    if (answer.refused === null) void follow();
    return answer.refused;
  } catch (error) {
    line.value = { ...line.value, trouble: text(error) };
    refusal.value = text(error);
    setTimeout(() => void enter(), 2000);
    return null;
  }
}

let following: AbortController | null = null;

/** @param reason null: by one's own wish */
export function leave(reason: string | null = null): void {
  refusal.value = reason;
  following?.abort();
  following = null;
  user.value = null;
  picture.value = EMPTY;
  access.value = "needed";
}

async function follow(): Promise<void> {
  following?.abort();
  const control = new AbortController();
  following = control;
  const { signal: aborted } = control;
  let lastId: string | null = null;
  let pause = RETRY_MIN_MS;
  const waiting: Entry[] = [];
  const draw = setInterval(() => {
    if (waiting.length > 0) picture.value = withEntries(picture.value, waiting.splice(0), Date.now());
  }, DRAW_MS);
  let asked = Date.now();
  const info = setInterval(() => {
    const isDue = Date.now() - asked >= picture.value.hosts.size * INFO_MS_A_HOST;
    if (document.visibilityState !== "visible" || !isDue) return;
    asked = Date.now();
    void refreshInfos(aborted);
  }, INFO_MS);
  while (!aborted.aborted) {
    try {
      for await (const message of stream("stream", lastId, aborted)) {
        pause = RETRY_MIN_MS;
        hear();
        if (message.event === "dropped") break;
        if (message.event === "reset") {
          waiting.length = 0;
          await reload(aborted);
        } else {
          waiting.push({ event: message.event, data: JSON.parse(message.data) as unknown });
        }
        lastId = message.id ?? lastId;
      }
    } catch (error) {
      if (control.signal.aborted) break;
      if (error instanceof ApiError && error.status === 401) {
        leave(error.message);
        break;
      }
      line.value = { ...line.value, trouble: text(error) };
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, RETRY_MAX_MS);
  }
  clearInterval(draw);
  clearInterval(info);
}

/** Fifty times a second, perhaps: only what can be seen is told on. */
function hear(): void {
  const { heard, trouble } = line.peek();
  const at = Date.now();
  if (trouble !== null || heard === null || at - heard > 1000) line.value = { heard: at, trouble: null };
}

async function reload(aborted: AbortSignal): Promise<void> {
  const [status, infos, rollouts] = await Promise.all([
    ask("status", {}, aborted),
    ask("hosts", {}, aborted),
    ask("rollout-list", { limit: 100 }, aborted),
  ]);
  picture.value = pictureOf(status.hosts, infos.hosts, rollouts.rollouts, Date.now());
  line.value = { heard: Date.now(), trouble: null };
}

async function refreshInfos(aborted: AbortSignal): Promise<void> {
  try {
    const { hosts } = await ask("hosts", {}, aborted);
    picture.value = withInfos(picture.value, hosts, Date.now());
    line.value = { heard: Date.now(), trouble: null };
  } catch {
    // The stream says what is wrong with the line.
  }
}

/** A record that an answer brought, before the stream tells of it. */
export function seeRollout(record: Parameters<typeof headOf>[0]): void {
  const rollouts = new Map(picture.value.rollouts).set(record.id, headOf(record));
  picture.value = { ...picture.value, rollouts };
}

export function text(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return "the controller does not answer";
}
