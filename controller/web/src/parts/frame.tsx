import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { setToken, token } from "../api.ts";
import { isWrong } from "../filter.ts";
import { EventsPage } from "../pages/events.tsx";
import { HostPage } from "../pages/host.tsx";
import { LogsPage } from "../pages/logs.tsx";
import { Overview } from "../pages/overview.tsx";
import { RolloutPage } from "../pages/rollout.tsx";
import { RolloutsPage } from "../pages/rollouts.tsx";
import { StartPage } from "../pages/start.tsx";
import { WatcherPage } from "../pages/watcher.tsx";
import { href, leave, line, now, picture, route, user } from "../state.ts";
import { ago } from "../words.ts";

const TABS: readonly (readonly [string, string])[] = [
  ["", "Fleet"],
  ["rollouts", "Rollouts"],
  ["events", "Events"],
];

export function Frame() {
  const { page, args } = route.value;
  const wrong = [...picture.value.hosts.values()].filter(isWrong).length;
  const title = [args[0] ?? TABS.find(([name]) => name === page)?.[1] ?? page, user.value?.fleet].join(" · ");
  useEffect(() => {
    document.title = wrong === 0 ? title : `(${wrong}) ${title}`;
  }, [wrong, title]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="bar">
        <a class="brand" href="#/">
          <img src="icon.svg" alt="" width="24" height="24" /> {user.value?.fleet ?? "fleet"}
        </a>
        <nav aria-label="Pages">
          {TABS.map(([name, title]) => (
            <a key={name} href={href(name)} aria-current={page === name ? "page" : undefined}>
              {title}
              {name === "rollouts" && <Running />}
            </a>
          ))}
        </nav>
        <Line />
        <span class="who">
          {user.value?.role === null
            ? "reading, not signed in"
            : `${user.value?.name ?? ""} (${user.value?.role ?? ""})`}
          {token() !== null && (
            <button
              type="button"
              onClick={() => {
                setToken(null);
                leave();
              }}
            >
              Sign out
            </button>
          )}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        <Page />
      </main>
    </>
  );
}

/** Is what is shown current? */
function Line() {
  const { heard, trouble } = line.value;
  if (trouble !== null) {
    return (
      <span class="line bad" role="status">
        Not live: {trouble}. Shown is what was known {ago(heard, now.value)}.
      </span>
    );
  }
  return (
    <span class="line" role="status">
      <span class="dot" /> Live from {user.value?.controller}
    </span>
  );
}

function Running() {
  const n = [...picture.value.rollouts.values()].filter(({ ended }) => ended === null).length;
  return n === 0 ? null : (
    <span class="badge" aria-label={`${n} not ended`}>
      {n}
    </span>
  );
}

function Page(): JSX.Element {
  const { page, args } = route.value;
  const [first = ""] = args;
  switch (page) {
    case "":
      return <Overview />;
    case "host":
      return <HostPage key={first} host={first} />;
    case "watcher":
      return <WatcherPage key={first} watcher={first} />;
    case "logs":
      return <LogsPage key={first} watcher={first} />;
    case "rollouts":
      return <RolloutsPage />;
    case "rollout":
      return <RolloutPage key={first} id={first} />;
    case "start":
      return <StartPage />;
    case "events":
      return <EventsPage />;
    default:
      return (
        <p>
          There is no such page. <a href="#/">To the fleet</a>
        </p>
      );
  }
}
