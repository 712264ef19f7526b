/** One rollout, wave by wave, with what may be done about it. */
import type { RolloutRecord } from "@circus-cluster/proto";
import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, change } from "../api.ts";
import { clock } from "../clock.ts";
import { headOf } from "../model.ts";
import { Ago, Mark, Trouble } from "../parts/marks.tsx";
import { Progress, RolloutMark } from "../parts/rollout-marks.tsx";
import { Waves } from "../parts/waves.tsx";
import { mayChange, picture, seeRollout, text } from "../state.ts";

type Verb = "rollout-pause" | "rollout-resume" | "rollout-abort" | "rollout-retry";

const ASK_MS = 1000;

export function RolloutPage({ id }: { id: string }) {
  const [record, setRecord] = useState<RolloutRecord | null>(null);
  const trouble = useSignal<string | null>(null);
  const head = picture.value.rollouts.get(id);
  // The stream tells of each change; the steps of the whole come with the answer.
  const revision = head === undefined ? "" : `${head.revision} ${JSON.stringify(head.steps)}`;
  const asked = useRef(0);
  useEffect(() => {
    // Of a thousand hosts one moves every moment: the whole record comes once a second, and no question is cut short.
    const timer = setTimeout(
      () => {
        asked.current = Date.now();
        ask("rollout-show", { id }).then(setRecord, (error: unknown) => {
          trouble.value = text(error);
        });
      },
      asked.current + ASK_MS - Date.now(),
    );
    return () => clearTimeout(timer);
  }, [id, revision]);
  if (record === null) return <p>{trouble.value ?? "Asking…"}</p>;
  const shown = head ?? headOf(record);
  const act = async (verb: Verb, properties: object = {}): Promise<void> => {
    trouble.value = null;
    try {
      const changed = await change(verb, { id, ...properties });
      seeRollout(changed);
      setRecord(changed);
    } catch (error) {
      trouble.value = text(error);
    }
  };
  return (
    <>
      <div class="head">
        <h1>
          {record.command} {record.watcher}
        </h1>
        <RolloutMark head={shown} />
        <Actions state={shown.state} onAct={act} />
      </div>
      <Trouble text={trouble.value} />
      <Progress head={shown} />
      <dl class="facts">
        <dt>Id</dt>
        <dd>{id}</dd>
        <dt>Started</dt>
        <dd>
          <Ago time={record.created} /> by {record.actor}
        </dd>
        <dt>Ended</dt>
        <dd>{shown.ended === null ? "not yet" : clock(shown.ended)}</dd>
        <dt>Attempt</dt>
        <dd>{shown.attempt}</dd>
        {shown.reason !== null && (
          <>
            <dt>Because</dt>
            <dd>{shown.reason}</dd>
          </>
        )}
      </dl>
      <Waves steps={record.steps} />
      {(record.late?.length ?? 0) > 0 && (
        <p>
          <Mark tone="off">joined later, not touched</Mark> {record.late?.join(", ")}
        </p>
      )}
    </>
  );
}

function Actions({
  state,
  onAct,
}: {
  state: RolloutRecord["state"];
  onAct: (verb: Verb, more?: object) => Promise<void>;
}) {
  if (!mayChange.value) return <span class="hint">an operator's token may change it</span>;
  const button = (verb: Verb, title: string, more: object = {}) => (
    <button type="button" onClick={() => void onAct(verb, more)}>
      {title}
    </button>
  );
  switch (state) {
    case "running":
      return (
        <>
          {button("rollout-pause", "Pause")}
          {button("rollout-resume", "Go on now", { skipFailed: false })}
          {button("rollout-abort", "Abort")}
        </>
      );
    case "paused":
      return (
        <>
          {button("rollout-resume", "Resume", { skipFailed: false })}
          {button("rollout-abort", "Abort")}
        </>
      );
    case "failed":
    case "aborted":
      return (
        <>
          {button("rollout-retry", "Retry what failed or was left")}
          {state === "failed" && button("rollout-resume", "Resume without the failed", { skipFailed: true })}
        </>
      );
    default:
      return null;
  }
}
