/** A new rollout: what, where, how; first the plan, then the start. */
import type { RolloutRecord } from "@circus-cluster/proto";
import { useSignal } from "@preact/signals";
import { change } from "../api.ts";
import { Trouble } from "../parts/marks.tsx";
import { Waves } from "../parts/waves.tsx";
import { type Form, requestOf } from "../request.ts";
import { href, mayChange, picture, route, seeRollout, text } from "../state.ts";
import { plural } from "../words.ts";

const COMMANDS = ["restart", "reload", "start", "stop", "incr", "decr"] as const;

export function StartPage() {
  const plan = useSignal<RolloutRecord | null>(null);
  const request = useSignal<object | null>(null);
  const trouble = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const watchers = [...new Set([...picture.value.hosts.values()].flatMap((host) => [...host.watchers.keys()]))].sort();
  const { query } = route.value;

  const read = (form: HTMLFormElement): Form => Object.fromEntries(new FormData(form)) as unknown as Form;
  const doing = async (work: () => Promise<void>): Promise<void> => {
    trouble.value = null;
    isBusy.value = true;
    await work().catch((error: unknown) => {
      trouble.value = error instanceof TypeError ? error.message : text(error);
    });
    isBusy.value = false;
  };
  const preview = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = read(event.currentTarget as HTMLFormElement);
    void doing(async () => {
      const asked = requestOf(form);
      if (typeof asked === "string") {
        trouble.value = asked;
        return;
      }
      plan.value = await change("rollout-plan", asked);
      request.value = asked;
    });
  };
  const begin = (): void => {
    void doing(async () => {
      if (request.value === null) return;
      const record = await change("rollout-start", request.value);
      seeRollout(record);
      location.hash = href("rollout", record.id);
    });
  };
  const forget = (): void => {
    plan.value = null;
    request.value = null;
  };
  if (!mayChange.value) {
    return (
      <>
        <h1>Start a rollout</h1>
        <p class="empty">This token may read only. Sign in with an operator's to change something.</p>
      </>
    );
  }
  return (
    <>
      <h1>Start a rollout</h1>
      <form class="start" onSubmit={preview} onInput={forget}>
        <label>
          Command
          <select name="command">
            {COMMANDS.map((command) => (
              <option key={command}>{command}</option>
            ))}
          </select>
        </label>
        <label>
          Watcher
          <select name="watcher" required>
            {watchers.map((name) => (
              <option key={name} selected={name === query.get("watcher")}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Hosts
          <input name="hosts" placeholder="all, or web1,web2, or role=web" value={query.get("hosts") ?? ""} />
        </label>
        <label>
          Hosts in a wave
          <input name="batch" value="25%" pattern="\d+%?(,\d+%?)*" title="3, or 25%, or a growing list: 1,5,20%" />
        </label>
        <label>
          Canary hosts
          <input name="canary" type="number" min="0" value="0" />
        </label>
        <label>
          Soak, in seconds
          <input name="soak" type="number" min="0" step="any" value="10" />
        </label>
        <label>
          Hosts that may fail
          <input name="maxFail" value="0" pattern="\d+%?" />
        </label>
        <button type="submit" class="primary" disabled={isBusy.value}>
          Show the plan
        </button>
      </form>
      <Trouble text={trouble.value} />
      {plan.value !== null && (
        <section aria-label="Plan">
          <h2>
            {plan.value.command} {plan.value.watcher} on{" "}
            {plural(plan.value.steps.filter(({ state }) => state !== "skipped").length, "host")}; at least{" "}
            {plan.value.floor} stay healthy
          </h2>
          <button type="button" class="primary" onClick={begin} disabled={isBusy.value}>
            Start it
          </button>
          <Waves steps={plan.value.steps} />
        </section>
      )}
    </>
  );
}
