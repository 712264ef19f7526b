/** C's `strftime` in the C locale, as Python's `datetime.strftime` gives it on Linux; local time unless `utc`. */

interface Parts {
  readonly year: number;
  /** 0 to 11. */
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** 0 is the first of January. */
  readonly yearDay: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly ms: number;
  /** East of Greenwich. */
  readonly offsetMinutes: number;
  readonly zone: () => string;
  readonly epochS: number;
}

export const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
export const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];

const DAY_MS = 86_400_000;

function partsOf(when: Date, utc: boolean): Parts {
  const [year, month, day, weekday, hour, minute, second] = utc
    ? [
        ...[when.getUTCFullYear(), when.getUTCMonth(), when.getUTCDate(), when.getUTCDay()],
        ...[when.getUTCHours(), when.getUTCMinutes(), when.getUTCSeconds()],
      ]
    : [
        ...[when.getFullYear(), when.getMonth(), when.getDate(), when.getDay()],
        ...[when.getHours(), when.getMinutes(), when.getSeconds()],
      ];
  return {
    ...{ year: year ?? 0, month: month ?? 0, day: day ?? 0, weekday: weekday ?? 0 },
    ...{ hour: hour ?? 0, minute: minute ?? 0, second: second ?? 0, ms: when.getMilliseconds() },
    yearDay: Math.round((Date.UTC(year ?? 0, month ?? 0, day) - Date.UTC(year ?? 0, 0, 1)) / DAY_MS),
    offsetMinutes: utc ? 0 : -when.getTimezoneOffset(),
    zone: () => (utc ? "UTC" : zoneName(when)),
    epochS: Math.floor(when.getTime() / 1000),
  };
}

function zoneName(when: Date): string {
  const format = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" });
  return format.formatToParts(when).find(({ type }) => type === "timeZoneName")?.value ?? "";
}

const pad = (value: number, width: number, fill = "0"): string => String(value).padStart(width, fill);
const twelve = (hour: number): number => hour % 12 || 12;

/** The week of ISO 8601 and the year it belongs to: that of its Thursday. */
function isoWeek({ year, weekday, yearDay }: Parts): { readonly year: number; readonly week: number } {
  const thursday = yearDay - ((weekday + 6) % 7) + 3;
  const daysIn = (y: number): number => (y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0) ? 366 : 365);
  if (thursday < 0) return { year: year - 1, week: Math.floor((thursday + daysIn(year - 1)) / 7) + 1 };
  if (thursday >= daysIn(year)) return { year: year + 1, week: 1 };
  return { year, week: Math.floor(thursday / 7) + 1 };
}

function offset({ offsetMinutes }: Parts): string {
  const minutes = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60), 2)}${pad(minutes % 60, 2)}`;
}

/** Directives that stand for others. */
export const COMPOUND: Readonly<Record<string, string>> = {
  ...{ c: "%a %b %e %H:%M:%S %Y", D: "%m/%d/%y", F: "%Y-%m-%d", h: "%b", R: "%H:%M" },
  ...{ r: "%I:%M:%S %p", T: "%H:%M:%S", x: "%m/%d/%y", X: "%H:%M:%S" },
};

/** Value, width and fill of a number. */
type NumberOf = (parts: Parts) => readonly [value: number, width: number, fill?: string];
const NUMBERS: Readonly<Record<string, NumberOf>> = {
  C: (p) => [Math.floor(p.year / 100), 2],
  d: (p) => [p.day, 2],
  e: (p) => [p.day, 2, " "],
  f: (p) => [p.ms * 1000, 6],
  G: (p) => [isoWeek(p).year, 4],
  g: (p) => [isoWeek(p).year % 100, 2],
  H: (p) => [p.hour, 2],
  I: (p) => [twelve(p.hour), 2],
  j: (p) => [p.yearDay + 1, 3],
  k: (p) => [p.hour, 2, " "],
  l: (p) => [twelve(p.hour), 2, " "],
  M: (p) => [p.minute, 2],
  m: (p) => [p.month + 1, 2],
  S: (p) => [p.second, 2],
  s: (p) => [p.epochS, 1],
  U: (p) => [Math.floor((p.yearDay + 7 - p.weekday) / 7), 2],
  u: (p) => [p.weekday || 7, 1],
  V: (p) => [isoWeek(p).week, 2],
  W: (p) => [Math.floor((p.yearDay + 7 - ((p.weekday + 6) % 7)) / 7), 2],
  w: (p) => [p.weekday, 1],
  Y: (p) => [p.year, 4],
  y: (p) => [p.year % 100, 2],
};

const TEXTS: Readonly<Record<string, (parts: Parts) => string>> = {
  A: (p) => DAYS[p.weekday] ?? "",
  a: (p) => (DAYS[p.weekday] ?? "").slice(0, 3),
  B: (p) => MONTHS[p.month] ?? "",
  b: (p) => (MONTHS[p.month] ?? "").slice(0, 3),
  n: () => "\n",
  P: (p) => (p.hour < 12 ? "am" : "pm"),
  p: (p) => (p.hour < 12 ? "AM" : "PM"),
  t: () => "\t",
  Z: (p) => p.zone(),
  z: offset,
  "%": () => "%",
};

/** What is no directive stays as it is. `%-d` is without padding, as in glibc. */
export function strftime(format: string, when: Date, utc = false): string {
  const parts = partsOf(when, utc);
  const expand = (text: string): string =>
    text.replace(/%([-_0^]?)[EO]?([A-Za-z%])/g, (whole: string, flag: string, directive: string) => {
      const compound = COMPOUND[directive];
      if (compound !== undefined) return expand(compound);
      const number = NUMBERS[directive]?.(parts);
      if (number !== undefined) {
        const [value, width, fill = "0"] = number;
        return flag === "-" ? String(value) : pad(value, width, { _: " ", "0": "0" }[flag] ?? fill);
      }
      const written = TEXTS[directive]?.(parts);
      return flag === "^" ? (written?.toUpperCase() ?? whole) : (written ?? whole);
    });
  return expand(format);
}

/** The time of each moment, made at most once a second unless the format shows less. */
export function timeTeller(format: string, clock: () => Date = () => new Date()): () => string {
  const keepMs = /%[-_0^]?f/.test(format) ? 1 : 1000;
  let at = Number.NaN;
  let text = "";
  return () => {
    const now = clock();
    const moment = Math.floor(now.getTime() / keepMs);
    if (moment !== at) [at, text] = [moment, strftime(format, now)];
    return text;
  };
}
