// All runs at a glance.
import { address, get, post, trying } from "./api.js";
import { spark } from "./chart.js";
import { duration, h, healthBadge, human, number, stateBadge } from "./dom.js";

export const runLink = (name, tab = "") => `#/run/${encodeURIComponent(name)}${tab ? `/${tab}` : ""}`;

export function progress(card) {
  if (!["training", "saving", "paused"].includes(card.state) || card.fraction === null || card.fraction === undefined) return null;
  return h("progress", { max: 1, value: card.fraction, "aria-label": `${Math.round(card.fraction * 100)} % of the budget` });
}

function waiting(card, refresh) {
  return h("div", { className: "card" },
    h("div", { className: "sheet" }, card.state === "failed" ? "did not start" : "starting …"),
    h("div", { className: "body" }, h("div", { className: "row" }, h("span", { className: "title" }, card.name), stateBadge(card.state)),
      card.state === "failed" || card.said ? h("div", { className: card.state === "failed" ? "wrong" : "facts" }, card.said || "It ended without a word.") : null,
      card.state === "starting" ? null : h("div", {}, h("button", { type: "button", onclick: (event) => trying(async () => { await post("forget", { run: card.name }); refresh(); }, event.target) }, "Remove"))));
}

function card(run, refresh) {
  if (run.waiting) return waiting(run, refresh);
  const facts = [`${human(run.images_seen)} images`, run.state === "training" && run.images_per_sec ? `${number(run.images_per_sec)}/s` : null, run.quality ? `Fréchet ${number(run.quality.frechet, 2)}` : null].filter(Boolean);
  return h("a", { className: "card", href: runLink(run.name) },
    h("div", { className: "sheet" }, run.sheet ? h("img", { src: address("sheet", { run: run.name, name: run.sheet }), alt: `Newest samples of ${run.name}` }) : "no samples yet"),
    h("div", { className: "body" },
      h("div", { className: "row" }, h("span", { className: "title" }, run.name), stateBadge(run.state)),
      h("div", { className: "row facts" }, h("span", {}, [run.data, run.recipe].filter(Boolean).join(" · ")), run.state !== "training" && run.ails?.length ? h("span", { className: "badge warn" }, run.ails[0]) : healthBadge(run.health)),
      progress(run), spark(run.spark), h("div", { className: "facts" }, facts.join(" · "))));
}

export function runsView(main, every) {
  let before = "";
  const refresh = async () => {
    const found = await get("runs");
    const text = JSON.stringify(found);
    const busy = found.runs.some((run) => ["training", "starting", "saving"].includes(run.state));
    if (text !== before) { before = text; draw(found); }
    return busy ? 2000 : 5000;
  };
  const draw = ({ runs, folder }) => {
    const focused = document.activeElement?.getAttribute("href");
    if (!runs.length) {
      main.replaceChildren(h("div", { className: "empty panel" }, h("h1", {}, "No runs yet"),
        h("p", { className: "soft" }, `Runs in ${folder} are shown here while they are trained and afterwards.`),
        h("a", { className: "button main", href: "#/new" }, "Train on your images")));
      return;
    }
    main.replaceChildren(h("div", { className: "head" }, h("h1", {}, "Runs"), h("span", { className: "soft" }, `${runs.length} in ${folder}`), h("span", { className: "spacer" }), h("a", { className: "button main", href: "#/new" }, "New run")),
      h("div", { className: "cards" }, runs.map((run) => card(run, refresh))));
    if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  };
  every(refresh);
}

export { duration };
