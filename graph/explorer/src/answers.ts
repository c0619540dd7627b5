// What can be drawn of an answer: lists of points in time (metricSeries, eventSeries, whatever they are called in the
// operation), and updates of a subscription, each of which is a point (campaignMetrics).
import type { ExecutionResult } from "graphql";

import { Store } from "./store";

export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  /** By the name of the number; one that is null is missing. */
  values: Record<string, number>;
}

export interface Line {
  /** Of what. */
  label: string;
  points: Point[];
}

export interface Drawing {
  lines: Line[];
  isLive: boolean;
}

const MOST_POINTS = 600;
const NOTHING: Drawing = { lines: [], isLive: false };

export const drawing = new Store<Drawing>(NOTHING);

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** Another operation begins. */
export function begin(): void {
  if (drawing.get() !== NOTHING) drawing.set(NOTHING);
}

/** Takes an answer. The updates of a subscription follow each other on one line. */
export function show(answer: ExecutionResult, isLive: boolean): void {
  const found: Line[] = [];
  collect(answer.data, "", "", found);
  if (found.length === 0) return;
  drawing.set({ lines: isLive ? joined(drawing.get().lines, found) : found, isLive });
}

function joined(known: Line[], found: Line[]): Line[] {
  return found.map(({ label, points }) => {
    const before = known.find((one) => one.label === label)?.points ?? [];
    const first = points[0].at;
    return { label, points: [...before.filter(({ at }) => at < first), ...points].slice(-MOST_POINTS) };
  });
}

function collect(value: unknown, field: string, name: string, found: Line[]): void {
  if (Array.isArray(value)) {
    const points = value.map((one) => pointOf(one, "start"));
    if (points.length > 0 && points.every((one) => one !== null)) found.push({ label: labelOf(name, field), points });
    else for (const one of value) collect(one, field, name, found);
    return;
  }
  if (!isObject(value)) return;
  const point = pointOf(value, "at");
  const own = [value, value.campaign].map(nameOf).find((one) => one !== null) ?? name;
  if (point !== null) found.push({ label: labelOf(own, field), points: [point] });
  for (const [key, one] of Object.entries(value)) collect(one, key, own, found);
}

function nameOf(value: unknown): string | null {
  if (!isObject(value)) return null;
  const found = value.name ?? value.title ?? value.key;
  return typeof found === "string" ? found : null;
}

const labelOf = (name: string, field: string) => (name ? `${name}: ${field}` : field);

function pointOf(value: unknown, time: "start" | "at"): Point | null {
  if (!isObject(value) || typeof value[time] !== "string") return null;
  const at = Date.parse(value[time]);
  const values: Record<string, number> = {};
  const numbers = isObject(value.metrics) ? value.metrics : {};
  for (const [key, one] of Object.entries(numbers)) {
    if (typeof one === "number") values[key] = one;
    else if (isObject(one) && typeof one.amount === "string") values[moneyName(key, one)] = Number(one.amount);
  }
  return Number.isNaN(at) || Object.keys(values).length === 0 ? null : { at, values };
}

const moneyName = (key: string, money: Fields) => (typeof money.currency === "string" ? `${key} ${money.currency}` : key);
