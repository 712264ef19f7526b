// Where `npm run up` keeps what it makes: .up/ in the checkout, git-ignored; CIRCUS_UP_DIR names another directory.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const example = join(root, "deploy/examples/wsgi");
export const upDir = resolve(root, process.env.CIRCUS_UP_DIR ?? ".up");
