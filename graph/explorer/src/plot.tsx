// The lines, their axes and the times below them.
import type { Point } from "./answers";
import { momentsOf, scaleOf, short, type Scale } from "./scale";

export interface Series {
  name: string;
  unit: string;
  /** Which of the colours and dashes. */
  index: number;
}

const WIDTH = 460;
const HEIGHT = 180;
const LEFT = 44;
const RIGHT = 44;
const TOP = 18;
const BOTTOM = 24;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

export const colour = (index: number) => `var(--line-${index % 6})`;

/** ``axes``: at most two units, that of the left axis first. */
export function Plot({ label, points, shown, axes }: { label: string; points: Point[]; shown: Series[]; axes: string[] }) {
  const first = points[0].at;
  const span = points[points.length - 1].at - first;
  const x = (at: number) => LEFT + (span === 0 ? 0.5 : (at - first) / span) * (WIDTH - LEFT - RIGHT);
  const scales = axes.map((unit) => scaleOf(shown.filter((one) => one.unit === unit).flatMap((one) => valuesOf(points, one.name)), unit === "count" ? 1 : 0));
  return (
    <svg className="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={summaryOf(label, points, shown)}>
      {scales.map((scale, side) => (
        <Axis key={axes[side]} scale={scale} unit={axes[side]} isRight={side === 1} />
      ))}
      <Times points={points} x={x} span={span} />
      {shown.map((one) => (
        <Line key={one.name} points={points} series={one} x={x} scale={scales[axes.indexOf(one.unit)]} />
      ))}
    </svg>
  );
}

const y = (value: number, { least, most }: Scale) => HEIGHT - BOTTOM - ((value - least) / (most - least)) * (HEIGHT - TOP - BOTTOM);

const valuesOf = (points: Point[], name: string) => points.flatMap(({ values }) => (name in values ? [values[name]] : []));

function Axis({ scale, unit, isRight }: { scale: Scale; unit: string; isRight: boolean }) {
  const at = isRight ? WIDTH - RIGHT + 6 : LEFT - 6;
  const textAnchor = isRight ? "start" : "end";
  return (
    <g className="axis">
      <text x={at} y={10} textAnchor={textAnchor}>
        {unit}
      </text>
      {scale.ticks.map((tick) => (
        <g key={tick}>
          {!isRight && <line x1={LEFT} x2={WIDTH - RIGHT} y1={y(tick, scale)} y2={y(tick, scale)} />}
          <text x={at} y={y(tick, scale) + 4} textAnchor={textAnchor}>
            {short(tick)}
          </text>
        </g>
      ))}
    </g>
  );
}

function Times({ points, x, span }: { points: Point[]; x: (at: number) => number; span: number }) {
  const moment = momentsOf(span, points.length);
  const every = Math.max(1, Math.ceil(points.length / 6));
  const marked = points.filter((_, index) => index % every === 0 && index + every / 2 < points.length);
  return (
    <g className="axis">
      {spread(marked, x).map(({ at }) => (
        <text key={at} x={x(at)} y={HEIGHT - 6} textAnchor="middle">
          {moment(at)}
        </text>
      ))}
    </g>
  );
}

/** Those of the points that leave each other room for a text. */
function spread(points: Point[], x: (at: number) => number): Point[] {
  let last = -Infinity;
  return points.filter(({ at }) => {
    if (x(at) - last < 64) return false;
    last = x(at);
    return true;
  });
}

function Line({ points, series, x, scale }: { points: Point[]; series: Series; x: (at: number) => number; scale: Scale }) {
  const known = points.filter(({ values }) => series.name in values);
  const places = known.map(({ at, values }) => [x(at), y(values[series.name], scale)]);
  const stroke = colour(series.index);
  const dash = DASHES[Math.floor(series.index / 6) % DASHES.length];
  return (
    <g data-series={series.name}>
      <polyline fill="none" stroke={stroke} strokeWidth={2} strokeDasharray={dash} points={places.map((one) => one.join(",")).join(" ")} />
      {places.length <= 40 && places.map(([cx, cy], index) => <circle key={index} cx={cx} cy={cy} r={2.5} fill={stroke} />)}
    </g>
  );
}

function summaryOf(label: string, points: Point[], shown: Series[]): string {
  const last = points[points.length - 1].values;
  const numbers = shown.filter(({ name }) => name in last).map(({ name }) => `${name} ${short(last[name])}`);
  return `Line chart of ${label}, ${points.length} points. At the end: ${numbers.join(", ")}.`;
}
