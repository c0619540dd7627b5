// The panel below an answer: a line for each number, a legend to choose them by, and all as a table.
import { useState } from "react";

import { drawing, type Line, type Point } from "./answers";
import { colour, Plot, type Series } from "./plot";
import { exact, short } from "./scale";

const AT_FIRST = 6;

export function ChartPanel() {
  const { lines, isLive } = drawing.use();
  const [chosen, choose] = useState("");
  const line = lines.find(({ label }) => label === chosen) ?? lines[0];
  if (line === undefined) return null;
  return (
    <section className="chart" aria-label="Chart">
      <header>
        {lines.length > 1 ? (
          <select aria-label="What the chart shows" value={line.label} onChange={(event) => choose(event.target.value)}>
            {lines.map(({ label }, index) => (
              <option key={`${label} ${index}`}>{label}</option>
            ))}
          </select>
        ) : (
          <h2>{line.label}</h2>
        )}
        {isLive && <span className="live">live</span>}
      </header>
      <Chart line={line} />
    </section>
  );
}

function Chart({ line: { label, points } }: { line: Line }) {
  const [hidden, hide] = useState<ReadonlySet<string>>(new Set());
  const all = seriesOf(points);
  const units = [...new Set(all.map(({ unit }) => unit))];
  const axes = units.filter((unit) => all.some((one) => one.unit === unit && !hidden.has(one.name))).slice(0, 2);
  const shown = all.filter(({ name, unit, index }) => !hidden.has(name) && axes.includes(unit) && (index < AT_FIRST || hidden.size > 0));
  const toggle = (name: string) => {
    // From the first choice on, what is hidden is what was hidden by hand, and what was not shown before it.
    const now = new Set(hidden.size > 0 ? hidden : all.filter((one) => !shown.includes(one)).map((one) => one.name));
    if (!now.delete(name)) now.add(name);
    hide(now);
  };
  return (
    <>
      <Plot label={label} points={points} shown={shown} axes={axes} />
      <div className="legend" role="group" aria-label="Lines">
        {all.map(({ name, index }) => (
          <button key={name} type="button" aria-pressed={shown.some((one) => one.name === name)} onClick={() => toggle(name)}>
            <svg width="14" height="8" aria-hidden="true">
              <line x1="0" x2="14" y1="4" y2="4" stroke={colour(index)} strokeWidth="3" />
            </svg>
            {name} <b>{lastOf(points, name)}</b>
          </button>
        ))}
      </div>
      <Numbers points={points} all={all} />
    </>
  );
}

function Numbers({ points, all }: { points: Point[]; all: Series[] }) {
  const [isOpen, open] = useState(false);
  return (
    <details onToggle={(event) => open(event.currentTarget.open)}>
      <summary>The numbers as a table</summary>
      {isOpen && (
        <table>
          <thead>
            <tr>
              <th scope="col">time</th>
              {all.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.map(({ at, values }) => (
              <tr key={at}>
                <th scope="row">{new Date(at).toISOString()}</th>
                {all.map(({ name }) => (
                  <td key={name}>{name in values ? exact(values[name]) : ""}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}

function seriesOf(points: Point[]): Series[] {
  const names = [...new Set(points.flatMap(({ values }) => Object.keys(values)))];
  return names.map((name, index) => ({ name, index, unit: unitOf(name) }));
}

/** Rates and progress are percent in this API; money says its currency behind its name. */
function unitOf(name: string): string {
  const currency = name.split(" ")[1];
  return currency ?? (/Rate|Progress/.test(name) ? "%" : "count");
}

function lastOf(points: Point[], name: string): string {
  const last = points[points.length - 1].values[name];
  return last === undefined ? "" : short(last);
}
