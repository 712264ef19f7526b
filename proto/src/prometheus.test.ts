import { describe, expect, it } from "vitest";
import { counter, gauge, prometheusText, samplesBy } from "./prometheus.ts";

describe("prometheusText", () => {
  it("writes help, type and one line a sample", () => {
    const metrics = [
      gauge("circus_hosts", "Hosts.", samplesBy("presence", { online: 3, lost: 0 })),
      counter("circus_events_total", "Events.", 12),
    ];
    expect(prometheusText(metrics)).toBe(
      '# HELP circus_hosts Hosts.\n# TYPE circus_hosts gauge\ncircus_hosts{presence="online"} 3\n' +
        'circus_hosts{presence="lost"} 0\n' +
        "# HELP circus_events_total Events.\n# TYPE circus_events_total counter\ncircus_events_total 12\n",
    );
  });

  it("lets no label, help or number break a line", () => {
    const text = prometheusText([
      gauge("m", "a\nb\\", [
        { labels: { w: 'x"\n\\} 9' }, value: Number.POSITIVE_INFINITY },
        { labels: {}, value: Number.NaN },
      ]),
    ]);
    expect(text).toBe('# HELP m a\\nb\\\\\n# TYPE m gauge\nm{w="x\\"\\n\\\\} 9"} +Inf\nm NaN\n');
  });

  it("leaves out what has no sample", () => {
    expect(prometheusText([gauge("m", "none", [])])).toBe("");
  });
});
