// Reviewing samples: accept, reject, export.
import { address, get, post, trying } from "./api.js";
import { h, latest, number, slider } from "./dom.js";
import { noModel } from "./explore.js";

const PAGE = 48;

export function curateTab(place, run) {
  const missing = noModel(run);
  if (missing) { place.replaceChildren(missing); return; }
  const names = run.classes.length ? run.classes : [""];
  const state = { name: names[0], first: 0, decisions: {}, counts: {} };
  const chips = h("div", { className: "chips", role: "group", "aria-label": "Class" });
  const grid = h("div", { className: "samples curate", role: "group", "aria-label": "Images to review" });
  const where = h("span", { className: "soft" });
  const seed = h("input", { type: "number", min: 0, step: 1, value: 0 });
  const truncation = slider("Truncation", { min: 0.1, max: 1, step: 0.05, value: 1 });
  const base = () => ({ run: run.name, seed: Number(seed.value || 0), truncation: Number(truncation.input.value) });

  const wordOf = (index) => state.decisions[state.name]?.[index] ?? "";
  const paint = () => {
    for (const one of grid.children) { const word = wordOf(one.dataset.index); one.dataset.word = word; one.setAttribute("aria-label", `Image ${one.dataset.index}, ${{ accept: "accepted", reject: "rejected" }[word] ?? "undecided"}`); }
    chips.replaceChildren(...names.map((name) => h("button", { type: "button", "aria-pressed": name === state.name, onclick: () => { state.name = name; state.first = 0; grid.replaceChildren(); draw(); } }, name || "all", " ", h("b", {}, `✓ ${state.counts[name]?.accept ?? 0}  ✕ ${state.counts[name]?.reject ?? 0}`))));
    if (names.length === 1) chips.firstChild.disabled = true;
  };
  const take = (found) => { state.decisions = found.decisions; state.counts = found.counts; paint(); };
  // Shown at once, and told one after another: a decision that is taken back must not overtake what it takes back.
  let line = Promise.resolve(), waiting = 0;
  const decide = (changes) => {
    const own = (state.decisions[state.name] ??= {}), wish = { ...base(), class: state.name, changes };
    for (const [index, word] of Object.entries(changes)) own[index] = word;
    paint();
    waiting += 1;
    line = line.then(() => trying(async () => {
      const found = await post("decide", wish).finally(() => { waiting -= 1; });
      if (!waiting) take(found);
    }));
    return line;
  };
  const draw = latest(() => trying(async () => {
    const [found, decided] = await Promise.all([get("samples", { ...base(), class: state.name, count: PAGE, first: state.first }), get("curation", base())]);
    grid.replaceChildren(...found.images.map((image, i) => { const one = h("button", { type: "button", onclick: () => decide({ [state.first + i]: { "": "accept", accept: "reject", reject: null }[wordOf(state.first + i)] }) }, h("img", { src: image, alt: "" })); one.dataset.index = state.first + i; return one; }));
    where.textContent = `${number(state.first)} to ${number(state.first + PAGE - 1)}`;
    take(decided);
  }));
  const turn = async (pages) => { state.first = Math.max(0, state.first + pages * PAGE); await draw(); grid.firstChild?.focus(); };
  const rest = (word) => decide(Object.fromEntries([...grid.children].filter((one) => !wordOf(one.dataset.index)).map((one) => [one.dataset.index, word])));

  grid.addEventListener("keydown", (event) => {
    const all = [...grid.children], at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const word = { a: "accept", r: "reject", u: null }[event.key.toLowerCase()];
    if (step !== undefined) all[Math.min(all.length - 1, Math.max(0, at + step))].focus();
    else if (word !== undefined) { decide({ [all[at].dataset.index]: word }); if (word) all[Math.min(all.length - 1, at + 1)].focus(); }
    else if (event.key === "PageDown") turn(1);
    else if (event.key === "PageUp") turn(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  for (const input of [seed, truncation.input]) input.addEventListener("change", () => { state.first = 0; draw(); });

  place.replaceChildren(h("div", { className: "panel form" }, chips,
    h("div", { className: "row" }, h("div", { className: "row" }, h("button", { type: "button", onclick: () => turn(-1) }, "Earlier"), where, h("button", { type: "button", onclick: () => turn(1) }, "Later")),
      h("div", { className: "row" }, h("button", { type: "button", onclick: () => rest("accept") }, "Accept the rest"), h("button", { type: "button", onclick: () => rest("reject") }, "Reject the rest"))),
    grid, h("small", {}, "Click: accept, reject, undecided. Keys: arrows, a, r, u, PgUp, PgDn.")),
  h("div", { className: "two" }, h("div", { className: "panel form" }, h("label", {}, "Seed", seed), truncation.field), exportPanel(run, base)));
  draw();
}

function exportPanel(run, base) {
  const name = h("input", { value: `${run.name.replaceAll("/", "-").replace(/^\.$/, "run")}-curated`, required: true, autocomplete: "off" });
  const zip = h("input", { type: "checkbox", checked: true });
  const shown = h("div");
  const button = h("button", { className: "main", type: "submit" }, "Export the accepted");
  return h("form", { className: "panel form", onsubmit: (event) => { event.preventDefault(); trying(async () => {
    const file = zip.checked ? `${name.value}.zip` : name.value;
    const found = await post("export", { ...base(), name: file });
    shown.replaceChildren(h("p", { className: "exported" }, `${number(found.count)} images, each listed in manifest.json, are in ${found.out}. `, found.zip ? h("a", { href: address("download", { name: file }) }, "Download") : null));
  }, button); } }, h("h2", {}, "Export"), h("label", {}, "Name", name), h("label", { className: "check" }, zip, "as one .zip"), h("div", {}, button), shown);
}
