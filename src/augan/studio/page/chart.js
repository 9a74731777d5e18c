// Line charts and sparklines as SVG, coloured by the style sheet.
import { h, human } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";
function s(tag, attributes, text) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(Math.abs(value) < step * 1e-6 ? 0 : value);
  return found;
}

const short = (value) => (Math.abs(value) >= 1000 ? human(value) : String(Number(value.toPrecision(3))));
const WIDTH = 460, HEIGHT = 210, LEFT = 40, RIGHT = 10, TOP = 10, BOTTOM = 22;

function scales(lines) {
  const xs = lines.flatMap((line) => line.points.map((point) => point[0])), ys = lines.flatMap((line) => line.points.map((point) => point[1]));
  let [low, high] = [Math.min(...ys), Math.max(...ys)];
  const log = low > 0 && high / low > 30;
  if (!log && low > 0 && low < high * 0.6) low = 0;
  if (low === high) { low -= 0.5; high += 0.5; }
  const f = log ? Math.log10 : (value) => value;
  const [left, right] = [Math.min(0, ...xs), Math.max(...xs, 1)];
  const x = (value) => LEFT + ((value - left) / (right - left || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((f(value) - f(low)) / (f(high) - f(low))) * (HEIGHT - TOP - BOTTOM);
  const marks = log ? ticks(f(low), f(high), 4).map((value) => 10 ** value) : ticks(low, high, 4);
  return { x, y, left, right, marks };
}

export function chart({ title, lines }) {
  const legend = h("div", { className: "legend" });
  const figure = h("figure", { className: "panel" }, h("figcaption", {}, title));
  if (!lines.length) { figure.append(h("p", { className: "soft" }, "Nothing measured yet.")); return figure; }
  const { x, y, left, right, marks } = scales(lines);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const mark of marks) {
    svg.append(s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark) }), s("text", { x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end" }, short(mark)));
  }
  for (const mark of ticks(left, right, 4)) svg.append(s("text", { x: x(mark), y: HEIGHT - 5, "text-anchor": mark === left ? "start" : mark > right * 0.97 ? "end" : "middle" }, mark === 0 ? "0 images" : human(mark)));
  lines.forEach((line, index) => {
    const path = line.points.map((point, i) => `${i && point[0] >= line.points[i - 1][0] ? "L" : "M"}${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`).join("");
    svg.append(s("path", { class: `l${index % 4}`, d: path }));
    if (line.points.length < 30) for (const point of line.points) svg.append(s("circle", { class: `l${index % 4}`, cx: x(point[0]), cy: y(point[1]), r: 2.5 }));
  });
  const cross = s("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  svg.append(cross);
  const show = (at) => {
    legend.replaceChildren(...lines.map((line, index) => {
      const point = at === null ? line.points.at(-1) : line.points.reduce((best, one) => (Math.abs(one[0] - at) < Math.abs(best[0] - at) ? one : best));
      return h("span", {}, h("i", { className: `k${index % 4}` }), `${line.label} ${short(point[1])}`);
    }));
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), place = ((event.clientX - box.left) / box.width) * WIDTH;
    if (place < LEFT) return;
    cross.setAttribute("x1", place); cross.setAttribute("x2", place); cross.setAttribute("visibility", "visible");
    show(left + ((place - LEFT) / (WIDTH - LEFT - RIGHT)) * (right - left));
  });
  svg.addEventListener("pointerleave", () => { cross.setAttribute("visibility", "hidden"); show(null); });
  show(null);
  figure.append(svg, legend);
  return figure;
}

export function spark(values) {
  if (values.length < 2) return null;
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  const path = values.map((value, index) => `${index ? "L" : "M"}${((index / (values.length - 1)) * 100).toFixed(2)} ${(28 - ((value - low) / span) * 26).toFixed(2)}`).join("");
  const svg = s("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(s("path", { d: path }));
  return svg;
}
