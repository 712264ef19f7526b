/** All rollouts that are kept, the newest first. */

import { Ago } from "../parts/marks.tsx";
import { Progress, RolloutMark } from "../parts/rollout-marks.tsx";
import { href, picture } from "../state.ts";

export function RolloutsPage() {
  const rollouts = [...picture.value.rollouts.values()].sort((a, b) => b.created - a.created);
  return (
    <>
      <div class="head">
        <h1>Rollouts</h1>
        <a class="button" href="#/start">
          Start a rollout…
        </a>
      </div>
      {rollouts.length === 0 ? (
        <p class="empty">None yet.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Rollouts">
          <table>
            <thead>
              <tr>
                <th scope="col">Rollout</th>
                <th scope="col">What</th>
                <th scope="col">State</th>
                <th scope="col">Hosts</th>
                <th scope="col">By</th>
                <th scope="col">Started</th>
              </tr>
            </thead>
            <tbody>
              {rollouts.map((head) => (
                <tr key={head.id}>
                  <th scope="row">
                    <a href={href("rollout", head.id)}>{head.id}</a>
                  </th>
                  <td>
                    {head.command} {head.watcher}
                  </td>
                  <td>
                    <RolloutMark head={head} />
                  </td>
                  <td class="wide">
                    <Progress head={head} />
                  </td>
                  <td>{head.actor}</td>
                  <td>
                    <Ago time={head.created} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
