/** The steps of a rollout or of a plan, wave by wave. */
import type { RolloutRecord } from "@circus-cluster/proto";
import { groupBy } from "../series.ts";
import { href } from "../state.ts";
import { Mark } from "./marks.tsx";
import { toneOfStep } from "./rollout-marks.tsx";

type Step = RolloutRecord["steps"][number];

export function Waves({ steps }: { steps: readonly Step[] }) {
  const waves = groupBy(steps, ({ wave, state }) => (state === "skipped" ? -1 : wave));
  return (
    <ol class="waves">
      {[...waves]
        .sort(([a], [b]) => (a < 0 ? 1 : b < 0 ? -1 : a - b))
        .map(([wave, members]) => (
          <li key={wave}>
            <h2>{wave < 0 ? "Left out" : `Wave ${wave + 1}`}</h2>
            <ul>
              {members.map((step) => (
                <li key={step.host}>
                  <a href={href("host", step.host)}>{step.host}</a>{" "}
                  <Mark tone={toneOfStep(step.state)}>{step.state}</Mark>
                  {step.reason !== null && <span class="reason"> {step.reason}</span>}
                  {step.pidsAfter.length > 0 && (
                    <span class="pids">
                      {" "}
                      {step.pidsBefore.join(" ")} → {step.pidsAfter.join(" ")}
                    </span>
                  )}
                </li>
              ))}
            </ul>
          </li>
        ))}
    </ol>
  );
}
