import { describe, expect, it } from "vitest";
import { svgPlot } from "./plot.ts";

const numbers = (text: string): number[][] => text.split(" ").map((place) => place.split(",").map(Number));
const lines = (svg: string): string[] =>
  [...svg.matchAll(/<polyline points="([^"]*)"/g)].map(([, points = ""]) => points);

describe("svgPlot", () => {
  it("draws what grows tenfold with the tenfold as one straight line, upwards, inside of its frame", () => {
    const points = [10, 100, 1000, 10_000].map((x) => [x, x / 2] as const);
    const [line = ""] = lines(svgPlot("t", "x", "y", [{ name: "a", points }]));
    const places = numbers(line);
    expect(places).toHaveLength(4);
    const steps = places.slice(1).map(([x = 0, y = 0], at) => [x - (places[at]?.[0] ?? 0), y - (places[at]?.[1] ?? 0)]);
    for (const [dx = 0, dy = 0] of steps) {
      expect(dx).toBeCloseTo(steps[0]?.[0] ?? 0, 0);
      expect(dy).toBeCloseTo(steps[0]?.[1] ?? 0, 0);
      expect(dx).toBeGreaterThan(0);
      expect(dy).toBeLessThan(0);
    }
    for (const [x = 0, y = 0] of places) {
      expect(x).toBeGreaterThanOrEqual(64);
      expect(x).toBeLessThanOrEqual(500);
      expect(y).toBeGreaterThanOrEqual(36);
      expect(y).toBeLessThanOrEqual(376);
    }
  });

  it("has a line and a name for each series, in colours of their own, and no text that ends it", () => {
    const series = Array.from({ length: 7 }, (_, at) => ({
      name: `<s${at}>&`,
      points: [[10, at + 1] as const, [100, at + 2] as const],
    }));
    const svg = svgPlot("a<b", "x", "y", series);
    expect(lines(svg)).toHaveLength(7);
    expect(new Set([...svg.matchAll(/stroke="(#[0-9a-f]{6})" stroke-width/g)].map(([, colour]) => colour)).size).toBe(
      7,
    );
    expect(svg).toContain("&lt;s6>&amp;</text>");
    expect(svg).toContain("a&lt;b</text>");
    expect(svg.match(/<svg /g)).toHaveLength(1);
    expect(svg.endsWith("</svg>\n")).toBe(true);
  });

  it("leaves out what a logarithm has no place for", () => {
    const [line = ""] = lines(
      svgPlot("t", "x", "y", [
        {
          name: "a",
          points: [
            [10, 0],
            [100, 5],
            [1000, 7],
          ],
        },
      ]),
    );
    expect(numbers(line)).toHaveLength(2);
    expect(line).not.toContain("NaN");
  });
});
