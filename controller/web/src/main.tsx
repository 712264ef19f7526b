/** The page: sign-in, or the frame with one page in it. */
import { render } from "preact";
import { Frame } from "./parts/frame.tsx";
import { SignIn } from "./parts/sign-in.tsx";
import { access, line, start } from "./state.ts";

function App() {
  switch (access.value) {
    case "granted":
      return <Frame />;
    case "needed":
      return <SignIn />;
    default:
      return <p class="splash">{line.value.trouble ?? "Connecting…"}</p>;
  }
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
start();
