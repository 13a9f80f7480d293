// A series over time as SVG: a line with gaps, hollow points for unreliable values, bars below for the valid share.
import { h, number, s } from "./dom.js";

const THIN = 0.1; // as in pileus/outputs/series.py
const M = { left: 56, right: 12, top: 14, gap: 16, share: 34, bottom: 24 };

export function chart({ periods, lines, at, unit, onpick, width = 560, height = 260, why = {}, rows }) {
  const inner = width - M.left - M.right;
  const plot = height - M.top - M.gap - M.share - M.bottom;
  const step = inner / periods.length;
  const x = (i) => M.left + step * (i + 0.5);
  const all = lines.flatMap((line) => line.values.filter((v) => v !== null));
  const ticks = nice(all.length ? Math.min(...all) : 0, all.length ? Math.max(...all) : 1, 4);
  const [low, high] = [ticks[0], ticks.at(-1)];
  const y = (v) => M.top + plot * (1 - (v - low) / (high - low || 1));
  const under = M.top + plot + M.gap;
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told(lines, periods, unit) });
  for (const tick of ticks) {
    svg.append(
      s("line", { class: "rule", x1: M.left, x2: width - M.right, y1: y(tick), y2: y(tick) }),
      s("text", { class: "tick end", x: M.left - 8, y: y(tick) + 4 }, number(tick)),
    );
  }
  periods.forEach((period, i) => {
    const blind = lines.every((line) => line.values[i] === null);
    if (!blind) return;
    const there = rows.has(period);
    svg.append(
      s("rect", { class: there ? "unseen" : "norows", x: x(i) - step / 2, y: M.top, width: step, height: plot, fill: there ? "url(#unseen)" : undefined },
        s("title", {}, `${period}: ${there ? "not observed" : why[period] || "no rows"}`)),
    );
  });
  svg.append(s("rect", { class: "now", x: x(at) - step / 2, y: M.top, width: step, height: height - M.top - M.bottom }));
  lines.forEach((line, n) => {
    const thin = (i) => line.share?.[i] !== undefined && line.share[i] !== null && line.share[i] < THIN;
    let d = "", pen = false;
    line.values.forEach((value, i) => {
      if (value === null || thin(i)) return void (pen = false);
      d += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = true;
    });
    svg.append(s("path", { class: `line line-${n}`, d }));
    const radius = Math.max(1.6, Math.min(3.4, step / 3));
    line.values.forEach((value, i) => {
      if (value === null) return;
      svg.append(s("circle", { class: `dot dot-${n}${thin(i) ? " thin" : ""}`, cx: x(i), cy: y(value), r: radius }));
    });
    if (line.share) {
      const bar = (step * 0.8) / lines.length;
      line.share.forEach((share, i) => {
        if (!share) return;
        svg.append(
          s("rect", { class: `bar bar-${n}`, x: x(i) - step * 0.4 + bar * n, width: Math.max(0.6, bar), y: under + M.share * (1 - share), height: M.share * share }),
        );
      });
    }
  });
  svg.append(
    s("line", { class: "axis", x1: M.left, x2: width - M.right, y1: under + M.share, y2: under + M.share }),
    s("text", { class: "tick end", x: M.left - 8, y: under + 8 }, "100 %"),
    s("text", { class: "tick end", x: M.left - 8, y: under + M.share }, "valid"),
  );
  years(periods, inner).forEach(([i, text]) => {
    svg.append(s("text", { class: "tick", x: x(i) - step / 2, y: height - 8 }, text), s("line", { class: "axis", x1: x(i) - step / 2, x2: x(i) - step / 2, y1: under + M.share, y2: under + M.share + 5 }));
  });
  const pick = (event) => {
    const box = svg.getBoundingClientRect();
    const i = Math.floor((((event.clientX - box.left) / box.width) * width - M.left) / step);
    if (i >= 0 && i < periods.length) onpick(i);
  };
  svg.addEventListener("click", pick);
  const first = lines[0];
  return h("figure", { class: "chart-box" }, svg, h("figcaption", { class: "visually-hidden" }, first ? summary(first, periods, unit) : ""));
}

function told(lines, periods, unit) {
  return `${lines.map((line) => line.name).join(", ")} from ${periods[0]} to ${periods.at(-1)}${unit ? `, in ${unit}` : ""}`;
}

function summary(line, periods, unit) {
  const some = line.values.filter((v) => v !== null);
  if (!some.length) return `${line.name} has no values`;
  const least = Math.min(...some), most = Math.max(...some);
  return `Least ${number(least, unit)} in ${periods[line.values.indexOf(least)]}, greatest ${number(most, unit)} in ${periods[line.values.indexOf(most)]}, ${periods.length - some.length} periods without a value.`;
}

function years(periods, width) {
  const firsts = [];
  periods.forEach((period, i) => {
    if (i === 0 || period.slice(0, 4) !== periods[i - 1].slice(0, 4)) firsts.push([i, period.slice(0, 4)]);
  });
  const every = Math.ceil(firsts.length / Math.max(1, width / 44));
  return firsts.filter((_, i) => i % every === 0);
}

export function nice(low, high, count) {
  if (low === high) [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
  if (low > 0 && low < high * 0.5) low = 0;
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((f) => f >= rough);
  const ticks = [];
  for (let i = Math.floor(low / step); i * step < high + step * 0.999; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

export function spark(values, width = 84, height = 20) {
  const some = values.filter((v) => v !== null);
  const [low, high] = [Math.min(...some), Math.max(...some)];
  let d = "", pen = false;
  values.forEach((value, i) => {
    if (value === null) return void (pen = false);
    const y = high > low ? 1.5 + (height - 3) * (1 - (value - low) / (high - low)) : height / 2;
    d += `${pen ? "L" : "M"}${((i + 0.5) * (width / values.length)).toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  });
  return s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" }, s("path", { d }));
}
