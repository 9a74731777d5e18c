// Small helpers: elements, numbers as text, messages.
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("aria-")) element.setAttribute(name, value);
    else if (value === false) continue;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function toast(text, bad = false) {
  const box = h("div", { className: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" }, text);
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), bad ? 12000 : 5000);
}

export const number = (value, digits = 0) =>
  value === null || value === undefined ? "" : Number(value).toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });

export function human(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)} k` : number(value);
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const STATES = { training: "busy", starting: "busy", saving: "busy", finished: "good", "stopped early": "good", failed: "bad", damaged: "bad", paused: "warn" };
const HEALTH = { healthy: "good", "warming up": "", diverged: "bad", collapsing: "bad", "D wins": "warn" };
export const stateBadge = (state) => h("span", { className: `badge ${STATES[state] ?? ""}` }, state);
export const healthBadge = (word) => (word ? h("span", { className: `badge ${HEALTH[word] ?? "warn"}`, title: "health" }, word) : null);

// A labelled slider that shows its value.
export function slider(label, props, show = (value) => value) {
  const output = h("span", { className: "value", "aria-hidden": "true" }, show(props.value)); // an <output> would take the label
  const input = h("input", { type: "range", ...props });
  input.addEventListener("input", () => { output.textContent = show(input.value); });
  return { input, field: h("label", {}, label, output, input), reset(value) { input.value = value; output.textContent = show(value); } };
}

// Runs `work` at most once at a time; calls that come meanwhile run once more at the end.
export function latest(work) {
  let busy = false, again = false;
  return async function run() {
    if (busy) { again = true; return; }
    busy = true;
    try { do { again = false; await work(); } while (again); } finally { busy = false; }
  };
}
