// Makes elements from plain values. Text stays text: no code of the page parses HTML.
const SVG = "http://www.w3.org/2000/svg";

export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(element.style, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...there(children));
  return element;
}

const there = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== false);

export const fill = (element, ...children) => element.replaceChildren(...there(children));

export const say = (text) => {
  document.getElementById("news").textContent = text;
};

export function number(value, unit = "") {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 0.001 || size >= 1e7)
      ? value.toExponential(2)
      : value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 6 : 4 });
  return unit ? `${text} ${unit}` : text;
}

export function bytes(count) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (count < 1000) return `${unit === "B" || count >= 100 ? Math.round(count) : count.toFixed(1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}
