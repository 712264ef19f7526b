import { setToken } from "../api.ts";
import { enter, refusal } from "../state.ts";
import { Trouble } from "./marks.tsx";

export function SignIn() {
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const given = form.get("token");
    setToken(typeof given === "string" ? given.trim() : "", form.get("keep") === "on");
    if ((await enter()) !== null) setToken(null);
  };
  return (
    <main class="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <h1>Circus fleet</h1>
        <input
          class="visually-hidden"
          name="user"
          autocomplete="username"
          value="circus"
          tabIndex={-1}
          aria-hidden="true"
        />
        <label>
          Token
          <input name="token" type="password" autocomplete="current-password" required autofocus />
        </label>
        <label class="check">
          <input name="keep" type="checkbox" /> Stay signed in on this machine
        </label>
        <button type="submit" class="primary">
          Sign in
        </button>
        <Trouble text={refusal.value} />
        <p class="hint">
          An operator makes one on the controller: <code>circus-controller token --name you --role viewer</code>
        </p>
      </form>
    </main>
  );
}
