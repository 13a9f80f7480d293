// Sequential colours from low to high, for a light and a dark background; the lightness changes evenly in both.
const RAMPS = {
  dark: ["#1c2447", "#432371", "#7a2a7c", "#b03a6f", "#df5a53", "#f88f3c", "#fcc54f", "#fdf3b4"],
  light: ["#fdeebc", "#fbcf74", "#f5a353", "#e4705a", "#c1456c", "#8d2f77", "#572471", "#251a52"],
};
export const MISSING = { dark: "#3b4754", light: "#c3cbd3" };

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const RGB = Object.fromEntries(Object.entries(RAMPS).map(([name, stops]) => [name, stops.map(rgb)]));

export const theme = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
};

export function ramp(share, ground = theme()) {
  const stops = RGB[ground];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const mixed = stops[low].map((c, i) => Math.round(c + (stops[low + 1][i] - c) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}

// One scale over all months, so that colours of different months can be compared.
export function scaleOf(rows) {
  const some = rows.flat().filter((v) => v !== null);
  some.sort((a, b) => a - b);
  const at = (share) => some[Math.min(some.length - 1, Math.floor(share * some.length))];
  if (!some.length) return { log: false, low: 0, high: 1, share: () => 0, invert: () => 0 };
  let [low, high] = [at(0.01), at(0.99)];
  if (low === high) [low, high] = [Math.min(low, 0), high || 1];
  const log = low > 0 && high / low > 20;
  const f = log ? Math.log : (v) => v;
  return {
    log,
    low,
    high,
    share: (v) => (log && v <= 0 ? 0 : (f(v) - f(low)) / (f(high) - f(low))),
    invert: (t) => (log ? Math.exp(f(low) + t * (f(high) - f(low))) : low + t * (high - low)),
  };
}
