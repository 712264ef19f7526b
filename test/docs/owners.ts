/**
 * Which test runs which block of the documentation: by page, then by the nearest heading; `*` stands for every other one.
 * `blocks.test.ts` fails for a block that nobody has; a test takes its own by `OwnBlocks`, and fails for one that it left.
 */
const FLEET = "test/docs/fleet-pages.test.ts";
const GUIDES = "test/docs/guides.test.ts";

export const OWNERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "README.md": { "Two commands": "test/integration/deploy.test.ts", "One host": GUIDES, "*": FLEET },
  "agent/README.md": {
    "An arbiter in your program": "test/integration/embed.test.ts",
    "*": "test/docs/agent-readme.test.ts",
  },
  "cli/README.md": { "From supervisord": GUIDES, "*": FLEET },
  "controller/README.md": { "*": FLEET },
  "deploy/README.md": {
    Packages: "test/integration/packages.test.ts",
    Containers: "test/docs/containers.test.ts",
  },
  "deploy/guides/from-circus.md": { "*": GUIDES },
  "deploy/guides/from-supervisord.md": { "*": GUIDES },
  "deploy/guides/operations.md": { "*": FLEET },
  "deploy/guides/security.md": { "*": FLEET },
  "deploy/guides/three-machines.md": { "*": "test/docs/three-machines.test.ts" },
  "deploy/guides/troubleshooting.md": { "*": FLEET },
  "deploy/guides/zero-downtime.md": { "*": "test/docs/zero-downtime.test.ts" },
};
