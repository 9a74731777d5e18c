// Sliders through what a generator can make.
import { address, get, trying } from "./api.js";
import { h, latest, slider, toast } from "./dom.js";

export const noModel = (run) => (run.has_model ? null : h("div", { className: "panel soft" }, "There is no checkpoint yet: come back after the first snapshot."));

export function exploreTab(place, run) {
  const missing = noModel(run);
  if (missing) { place.replaceChildren(missing); return; }
  const state = { chosen: 0, offsets: [], axes: [] };
  const grid = h("div", { className: "samples", role: "group", "aria-label": "Samples" });
  const label = h("select", { "aria-label": "Class" }, h("option", { value: "" }, "all in turn"), run.classes.map((name) => h("option", { value: name }, name)));
  const seed = h("input", { type: "number", min: 0, step: 1, value: 0 });
  const truncation = slider("Truncation", { min: 0.1, max: 1, step: 0.05, value: 1 });
  const big = h("img", { className: "big", alt: "The chosen sample, moved" });
  const toward = h("input", { type: "number", min: 0, step: 1, value: 1 });
  const share = slider("how far", { min: 0, max: 1, step: 0.02, value: 0 }, (value) => `${Math.round(value * 100)} %`);
  const sliders = h("div", { className: "sliders" });
  const named = h("p", { className: "soft" });

  const classOf = (index) => label.value || (run.classes.length ? run.classes[index % run.classes.length] : "");
  const base = () => ({ run: run.name, seed: seed.value || 0, truncation: truncation.input.value });
  const move = latest(() => trying(async () => {
    const asked = { index: state.chosen, class: classOf(state.chosen), offsets: state.offsets.join(",") };
    const { image } = await get("moved", { ...base(), ...asked, toward: toward.value, share: share.input.value });
    big.src = image;
    big.dataset.of = `${asked.class} ${asked.index}: ${asked.offsets}`;
  }));
  const choose = (index) => {
    state.chosen = index;
    [...grid.children].forEach((one, i) => one.setAttribute("aria-pressed", i === index));
    move();
  };
  const draw = latest(() => trying(async () => {
    const found = await get("samples", { ...base(), class: label.value, count: 32 });
    if (!state.axes.length) makeSliders(found.axes);
    grid.replaceChildren(...found.images.map((image, index) => h("button", { type: "button", "aria-pressed": index === state.chosen, "aria-label": `Sample ${index}${classOf(index) ? `, ${classOf(index)}` : ""}`, onclick: () => choose(index) }, h("img", { src: image, alt: "" }))));
    move();
  }));
  const makeSliders = (axes) => {
    state.axes = axes;
    state.offsets = axes.map(() => 0);
    const found = axes.some((axis) => axis.found);
    named.textContent = found ? "Directions that were found in this run:" : "Random directions at right angles:";
    state.made = axes.map((axis, index) => {
      const one = slider(axis.name, { min: -4, max: 4, step: 0.1, value: 0 }, (value) => Number(value).toFixed(1));
      one.input.addEventListener("input", () => { state.offsets[index] = Number(one.input.value); move(); });
      return one;
    });
    sliders.replaceChildren(...state.made.map((one) => one.field));
  };
  const reset = () => { state.offsets.fill(0); for (const one of state.made) one.reset(0); share.reset(0); move(); };
  for (const input of [label, seed]) input.addEventListener("change", draw);
  truncation.input.addEventListener("input", draw);
  for (const input of [share.input, toward]) input.addEventListener("input", move);
  const dice = h("button", { type: "button", onclick: () => { seed.value = Math.floor(Math.random() * 1e6); draw(); } }, "Other samples");

  place.replaceChildren(h("div", { className: "two" },
    h("div", { className: "panel form" }, run.classes.length ? h("label", {}, "Class", label) : null, h("label", {}, "Seed", seed), truncation.field, dice),
    h("div", { className: "panel" }, h("h2", {}, "Samples"), grid)),
  h("div", { className: "two" }, h("div", { className: "panel" }, h("h2", {}, "The chosen one, moved"), big),
    h("div", { className: "panel form" }, h("div", { className: "pair" }, h("label", {}, "Towards the one of seed", toward), share.field), named, sliders, h("div", {}, h("button", { type: "button", onclick: reset }, "Back to the sample")))),
  walkPanel(run, base, label));
  draw();
}

function walkPanel(run, base, label) {
  const points = slider("Points", { min: 2, max: 16, step: 1, value: 5 });
  const form = h("select", { "aria-label": "Form" }, h("option", { value: "gif" }, "GIF"), h("option", { value: "mp4" }, "MP4"));
  const shown = h("div", { className: "panel", hidden: true });
  const make = h("button", { type: "button", className: "main", onclick: () => trying(async () => {
    const query = { ...base(), class: label.value, points: points.input.value, form: form.value };
    const url = URL.createObjectURL(await get("walk", query));
    const film = form.value === "mp4" ? h("video", { className: "whole", src: url, controls: true, loop: true, autoplay: true, muted: true }) : h("img", { className: "whole walk", src: url, alt: "An interpolation" });
    shown.hidden = false;
    shown.replaceChildren(film, h("p", {}, h("a", { href: url, download: `${run.name.replaceAll("/", "-")}-walk.${form.value}` }, "Download")));
    toast("The interpolation is there.");
  }, make) }, "Make");
  return h("div", { className: "two" }, h("div", { className: "panel form" }, h("h2", {}, "Interpolation"), points.field, h("label", {}, "Form", form), h("div", {}, make)), shown);
}

export { address };
