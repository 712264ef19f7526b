import { defineConfig } from "vitest/config";

/** One file at a time: they start whole fleets and measure what those do. */
const realParts = { testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false, pool: "forks" } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["*/src/**/*.test.ts", "controller/web/src/**/*.test.ts", "test/chaos/*.test.ts"],
          testTimeout: 20_000,
        },
      },
      { test: { ...realParts, name: "integration", include: ["test/{integration,docs}/**/*.test.ts"] } },
      { test: { ...realParts, name: "interop", include: ["test/interop/**/*.test.ts"] } },
    ],
  },
});
