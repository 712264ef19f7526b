/** An answer of the controller as a hook: asked when the question changes, and again every so often. */
import type { FleetAnswers } from "@circus-cluster/proto";
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.ts";
import { text } from "./state.ts";

export interface Asked<T> {
  readonly value: T | null;
  readonly trouble: string | null;
  /** Page ms of the answer. */
  readonly at: number;
}

/** @param everyMs null: once; @param query null: not yet */
export function useAsk<V extends keyof FleetAnswers>(
  verb: V,
  query: (() => Readonly<Record<string, string | number | null>>) | null,
  key: string,
  everyMs: number | null = null,
): Asked<FleetAnswers[V]> {
  const [asked, setAsked] = useState<Asked<FleetAnswers[V]>>({ value: null, trouble: null, at: 0 });
  useEffect(() => {
    if (query === null) return;
    const control = new AbortController();
    const look = async (): Promise<void> => {
      try {
        const value = await ask(verb, query(), control.signal);
        setAsked({ value, trouble: null, at: Date.now() });
      } catch (error) {
        if (!control.signal.aborted) setAsked((before) => ({ ...before, trouble: text(error) }));
      }
    };
    void look();
    const timer =
      everyMs === null ? null : setInterval(() => document.visibilityState === "visible" && void look(), everyMs);
    return () => {
      control.abort();
      if (timer !== null) clearInterval(timer);
    };
  }, [verb, key, everyMs]);
  return asked;
}
