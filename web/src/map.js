// The map: country outlines, and zones coloured by a statistic. Wheel, drag, buttons and keys move it.
import { geoArea, geoEqualEarth, geoGraticule10, geoPath } from "d3-geo";
import { feature, mesh } from "topojson-client";
import { MISSING, ramp, theme } from "./colour.js";
import { fetched } from "./data.js";
import { h, s } from "./dom.js";

const SMALL = 9; // a zone smaller than this on the screen gets a dot
const FINE = 900; // scale of the projection beyond which the finer outlines are shown

export class ZoneMap {
  constructor({ onpick, onhover }) {
    this.onpick = onpick;
    this.zones = [];
    this.values = [];
    this.picked = -1;
    this.land = s("path", { class: "land" });
    this.borders = s("path", { class: "borders" });
    this.graticule = s("path", { class: "graticule" });
    this.sphere = s("path", { class: "sphere" });
    this.shapes = s("g", { class: "zones" });
    this.svg = s(
      "svg",
      { class: "map", role: "img", "aria-label": "Map of the zones", tabindex: "0" },
      s("defs", {}, hatch()),
      this.sphere,
      this.graticule,
      this.land,
      this.borders,
      this.shapes,
    );
    const button = (sign, label, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: act }, sign);
    this.controls = h(
      "div",
      { class: "map-controls", role: "group", "aria-label": "Map" },
      button("+", "Zoom in", () => this.zoom(1.6)),
      button("−", "Zoom out", () => this.zoom(1 / 1.6)),
      button(icon("M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"), "Show all zones", () => this.home()),
      button(icon("M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 1 0 0-13M1.5 8h13M8 1.5c-4.5 4-4.5 9 0 13M8 1.5c4.5 4 4.5 9 0 13"), "Show the world", () => this.world()),
    );
    this.tip = h("div", { class: "tip", hidden: true });
    this.element = h("div", { class: "map-box" }, this.svg, this.controls, this.tip);
    this.projection = geoEqualEarth();
    this.onhover = onhover;
    this.listen();
    this.outlines = {};
    this.load("110m");
    new ResizeObserver(() => this.resized()).observe(this.element);
  }

  async load(detail) {
    if (this.outlines[detail] !== undefined) return;
    this.outlines[detail] = null;
    const world = await fetched(`world-${detail}.json`);
    this.outlines[detail] = {
      land: feature(world, world.objects.land),
      borders: mesh(world, world.objects.countries, (a, b) => a !== b),
    };
    this.redraw();
  }

  show(collection) {
    this.zones = collection.features.map((zone) => ({ ...zone, geometry: turned(zone.geometry) }));
    this.shapes.replaceChildren();
    this.paths = this.zones.map((zone, at) => {
      const path = s("path", { "data-at": at });
      const dot = s("circle", { "data-at": at, r: 5, visibility: "hidden" });
      this.shapes.append(path, dot);
      return [path, dot];
    });
    this.home();
  }

  // `share`: from a value to its place on the scale, 0..1.
  paint(values, share, told) {
    this.values = values;
    this.told = told;
    const ground = theme();
    values.forEach((value, at) => {
      const fill = value === null || value === undefined ? "url(#unseen)" : ramp(share(value), ground);
      const solid = value === null || value === undefined ? MISSING[ground] : fill;
      this.paths[at]?.[0].setAttribute("fill", fill);
      this.paths[at]?.[1].setAttribute("fill", solid);
    });
  }

  pick(at) {
    this.paths?.[this.picked]?.forEach((e) => e.classList.remove("picked"));
    this.picked = at;
    this.paths?.[at]?.forEach((e) => {
      e.classList.add("picked");
      this.shapes.append(e);
    });
  }

  resized() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || (width === this.width && height === this.height)) return;
    const first = !this.width;
    const shift = first ? null : [(width - this.width) / 2, (height - this.height) / 2];
    [this.width, this.height] = [width, height];
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    if (first) this.home();
    else {
      const [x, y] = this.projection.translate();
      this.projection.translate([x + shift[0], y + shift[1]]);
      this.redraw();
    }
  }

  home() {
    const shapes = this.zones.filter((zone) => zone.geometry);
    if (!this.width) return;
    if (!shapes.length) return this.world();
    const all = { type: "FeatureCollection", features: shapes };
    const boxes = shapes.flatMap((zone) => points(zone.geometry));
    const [west, east] = extent(boxes.map((p) => p[0]));
    this.projection = geoEqualEarth().rotate([east - west < 180 ? -(west + east) / 2 : 0, 0]);
    const pad = Math.min(this.width, this.height) * 0.1;
    this.projection.fitExtent([[pad, pad], [this.width - pad, this.height - pad]], all);
    const most = 60000;
    if (this.projection.scale() > most) {
      const middle = this.projection.invert([this.width / 2, this.height / 2]);
      this.projection.scale(most);
      this.centre(middle);
    }
    this.redraw();
  }

  centre(place) {
    const [x, y] = this.projection(place);
    const [tx, ty] = this.projection.translate();
    this.projection.translate([tx + this.width / 2 - x, ty + this.height / 2 - y]);
  }

  world() {
    if (!this.width) return;
    this.projection = geoEqualEarth().fitExtent([[8, 8], [this.width - 8, this.height - 8]], { type: "Sphere" });
    this.redraw();
  }

  zoom(by, at = [this.width / 2, this.height / 2]) {
    const scale = this.projection.scale();
    const next = Math.min(Math.max(scale * by, 60), 3e6);
    const [x, y] = this.projection.translate();
    const real = next / scale;
    this.projection.scale(next).translate([at[0] + (x - at[0]) * real, at[1] + (y - at[1]) * real]);
    this.redraw();
  }

  pan(dx, dy) {
    const [x, y] = this.projection.translate();
    this.projection.translate([x + dx, y + dy]);
    this.redraw();
  }

  redraw() {
    if (this.waiting || !this.width) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  draw() {
    const far = 40;
    this.projection.clipExtent([[-far, -far], [this.width + far, this.height + far]]);
    const path = geoPath(this.projection).digits(1);
    if (this.projection.scale() > FINE) this.load("50m");
    const base = (this.projection.scale() > FINE && this.outlines["50m"]) || this.outlines["110m"];
    const set = (element, shape) => element.setAttribute("d", (shape && path(shape)) || "");
    set(this.sphere, { type: "Sphere" });
    set(this.graticule, geoGraticule10());
    set(this.land, base?.land);
    set(this.borders, base?.borders);
    this.zones.forEach((zone, at) => {
      const [shape, dot] = this.paths[at];
      if (!zone.geometry) return;
      set(shape, zone.geometry);
      const [[left, top], [right, bottom]] = path.bounds(zone.geometry);
      const small = Math.max(right - left, bottom - top) < SMALL;
      dot.setAttribute("visibility", small ? "visible" : "hidden");
      if (small) {
        dot.setAttribute("cx", (left + right) / 2);
        dot.setAttribute("cy", (top + bottom) / 2);
      }
    });
  }

  listen() {
    const place = (event) => {
      const box = this.svg.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.svg.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY * 0.0018), place(event));
      },
      { passive: false },
    );
    let held = null;
    this.svg.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, y: event.clientY, moved: 0, at: event.target.dataset.at };
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!held) return this.hover(event, place(event));
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      held.moved += Math.abs(dx) + Math.abs(dy);
      [held.x, held.y] = [event.clientX, event.clientY];
      this.pan(dx, dy);
    });
    this.svg.addEventListener("pointerup", () => {
      if (held && held.moved < 5 && held.at !== undefined) this.onpick(Number(held.at));
      held = null;
    });
    this.svg.addEventListener("pointerleave", () => (this.tip.hidden = true));
    const keys = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    this.svg.addEventListener("keydown", (event) => {
      if (keys[event.key]) this.pan(...keys[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(1.6);
      else if (event.key === "-") this.zoom(1 / 1.6);
      else if (event.key === "0") this.home();
      else return;
      event.preventDefault();
    });
  }

  hover(event, [x, y]) {
    const at = event.target.dataset?.at;
    this.tip.hidden = at === undefined;
    if (at === undefined) return;
    this.tip.replaceChildren(h("b", {}, this.zones[at].name), h("span", {}, this.told?.(Number(at)) ?? ""));
    const right = x > this.width - 220;
    Object.assign(this.tip.style, {
      left: right ? "" : `${x + 14}px`,
      right: right ? `${this.width - x + 14}px` : "",
      top: `${Math.min(y + 14, this.height - 60)}px`,
    });
  }
}

function hatch() {
  return s(
    "pattern",
    { id: "unseen", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("rect", { width: 6, height: 6, class: "unseen-ground" }),
    s("rect", { width: 2, height: 6, class: "unseen-line" }),
  );
}

const icon = (d) => s("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, s("path", { d, class: "icon" }));

// GeoJSON's outer rings run counter-clockwise; d3 expects clockwise, and reads the other direction as the rest of the
// globe. No zone is more than half of it.
function turned(geometry) {
  if (!geometry) return geometry;
  const polygon = (rings) => {
    const reversed = rings.map((ring) => [...ring].reverse());
    return geoArea({ type: "Polygon", coordinates: reversed }) > 2 * Math.PI ? rings : reversed;
  };
  const { type, coordinates } = geometry;
  return { type, coordinates: type === "Polygon" ? polygon(coordinates) : coordinates.map(polygon) };
}

function points(geometry) {
  if (geometry.type === "Polygon") return geometry.coordinates[0];
  if (geometry.type === "MultiPolygon") return geometry.coordinates.flatMap((polygon) => polygon[0]);
  return [];
}

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
