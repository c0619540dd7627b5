// From numbers to places, and to the round numbers at an axis.
export interface Scale {
  least: number;
  most: number;
  ticks: number[];
}

/** A scale over values that has zero on it, with few and round steps, none smaller than the least. */
export function scaleOf(values: number[], leastStep = 0): Scale {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const step = Math.max(leastStep, roundStep((high - low || 1) / 4));
  const least = Math.floor(low / step) * step;
  const most = Math.max(Math.ceil(high / step) * step, least + step);
  const count = Math.round((most - least) / step);
  return { least, most, ticks: Array.from({ length: count + 1 }, (_, index) => least + index * step) };
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10);
}

/** A number as an axis shows it. */
export const short = (value: number): string =>
  new Intl.NumberFormat("en", { notation: Math.abs(value) >= 10_000 ? "compact" : "standard", maximumSignificantDigits: 4 }).format(value);

/** A number as a table shows it. */
export const exact = (value: number): string => new Intl.NumberFormat("en", { maximumFractionDigits: 6 }).format(value);

// Days begin at a midnight of the workspace, whose zone is not known here: this much later, UTC has the same date as nearly all.
const INTO_THE_DAY = 13 * 3_600_000;

/** A moment; the date alone where points are days apart. */
export function momentsOf(span: number, count: number): (at: number) => string {
  const daily = count > 1 && span / (count - 1) >= 20 * 3_600_000;
  const format = new Intl.DateTimeFormat(
    "en",
    daily ? { month: "short", day: "numeric", timeZone: "UTC" } : { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  );
  return (at) => format.format(daily ? at + INTO_THE_DAY : at);
}
