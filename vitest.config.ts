import { defineConfig } from "vitest/config";

/** One file at a time: they start whole fleets and measure what those do. */
const realParts = { testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false, pool: "forks" } as const;

/** What clients and single programs do: these run beside those that trouble whole hosts and fleets. */
const CLIENTS = [
  "test/interop/**/*.test.ts",
  "test/docs/{containers,fleet-pages,guides,man,salt,zero-downtime}.test.ts",
  "test/integration/{cli-*,controller-{fleet,http,ingest,notify,operations,program,rollouts},hooks,packages,plugins,top}.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "*/src/**/*.test.ts",
            "controller/web/src/**/*.test.ts",
            "test/chaos/*.test.ts",
            "test/bench/fleet/*.test.ts",
          ],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          ...realParts,
          name: "integration",
          include: ["test/{integration,docs}/**/*.test.ts"],
          exclude: CLIENTS,
        },
      },
      { test: { ...realParts, name: "clients", include: CLIENTS } },
    ],
  },
});
