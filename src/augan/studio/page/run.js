// One run: what it does, and the parts of its page.
import { address, get, post, trying } from "./api.js";
import { chart } from "./chart.js";
import { curateTab } from "./curate.js";
import { duration, h, healthBadge, human, number, stateBadge, toast } from "./dom.js";
import { exploreTab } from "./explore.js";
import { progress, runLink } from "./runs.js";
import { translateTab } from "./translate.js";

function tabsOf(run) {
  const tabs = [["", "Training"]];
  if (run.kind === "translation") tabs.push(["translate", "Translate"]);
  else if (run.kind === "image") tabs.push(["explore", "Explore"], ["curate", "Curate"]);
  tabs.push(["reports", `Reports${run.reports.length ? ` (${run.reports.length})` : ""}`]);
  return tabs;
}

function actions(run, refresh) {
  const act = (label, name, body, told, main = false) => h("button", { type: "button", className: main ? "main" : "", onclick: (event) => trying(async () => { await post(name, { run: run.name, ...body }); toast(told); await refresh(); }, event.target) }, label);
  if (run.state === "training" && run.ours) return [act("Pause", "halt", { pause: true }, "It is being saved."), act("Stop", "halt", {}, "It is being saved, and ends.")];
  if (["paused", "not finished", "failed"].includes(run.state)) return [act("Go on", "resume", {}, "It goes on.", true)];
  if (["finished", "stopped early", "stopped"].includes(run.state)) {
    const minutes = h("input", { type: "number", min: 0.01, step: "any", value: 5, "aria-label": "Minutes more", className: "minutes", size: 4 });
    return [h("button", { type: "button", onclick: (event) => trying(async () => { await post("resume", { run: run.name, minutes: minutes.value }); toast("It goes on."); await refresh(); }, event.target) }, "Train further"), minutes, h("span", { className: "soft" }, "minutes")];
  }
  return [];
}

function sheets(run, chosen, choose) {
  if (!run.sheets.length) return h("div", { className: "panel soft" }, "Samples appear here at the first snapshot.");
  const index = chosen === null ? run.sheets.length - 1 : Math.max(0, run.sheets.indexOf(chosen));
  const name = run.sheets[index];
  const seen = Number.parseInt(name, 10);
  const input = h("input", { type: "range", min: 0, max: run.sheets.length - 1, value: index, "aria-label": "Which samples", oninput: (event) => choose(Number(event.target.value) === run.sheets.length - 1 ? null : run.sheets[event.target.value]) });
  return h("div", { className: "panel" }, h("div", { className: "row" }, h("h2", {}, Number.isNaN(seen) ? "Samples" : `Samples after ${human(seen)} images`), run.sheets.length > 1 ? input : null),
    h("img", { className: "whole", src: address("sheet", { run: run.name, name }), alt: "Sheet of samples" }));
}

function facts(run) {
  const rows = [["Data", `${run.data}${run.images ? `, ${number(run.images)} images` : ""}, ${run.item.height}×${run.item.width}`], ["Classes", run.classes.join(", ")], ["Recipe", run.recipe], ["Images seen", number(run.images_seen)], ["Trained for", duration(run.elapsed_sec)]];
  if (run.quality) {
    const names = { frechet: "Fréchet distance", precision: "Precision", recall: "Recall", diversity: "Diversity", agreement: "Label agreement", near_copies: "Near copies" };
    for (const [key, label] of Object.entries(names)) if (run.quality[key] !== null && run.quality[key] !== undefined) rows.push([label, number(run.quality[key], 2)]);
  }
  return h("div", { className: "panel" }, h("h2", {}, "Facts"), h("dl", { className: "plain" }, rows.filter(([, value]) => value !== "" && value !== undefined).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))])));
}

function health(run) {
  const found = run.findings.map((one) => h("li", {}, h("strong", {}, one.cause), h("div", {}, one.evidence), h("div", { className: "soft" }, one.advice)));
  const acts = run.acts.map((one) => h("li", {}, `After ${human(one.images_seen)} images: ${one.act}`));
  if (!found.length && !acts.length) return null;
  return h("div", { className: "panel" }, h("h2", {}, "Health"), h("ul", { className: "findings" }, found, acts));
}

function trainingTab(place, run) {
  let chosen = null, last = run;
  const charts = h("div", { className: "charts" }), sheet = h("div"), rest = h("div");
  const drawSheet = () => sheet.replaceChildren(sheets(last, chosen, (name) => { chosen = name; drawSheet(); sheet.querySelector("input")?.focus(); }));
  const update = (now) => {
    last = now;
    if (!charts.matches(":hover")) charts.replaceChildren(...now.curves.filter((one) => one.lines.length).map(chart));
    if (!sheet.contains(document.activeElement)) drawSheet();
    rest.replaceChildren(...[now.said ? h("div", { className: "panel" }, h("h2", {}, "What it said last"), h("div", { className: "wrong" }, now.said)) : null, health(now), facts(now)].filter(Boolean));
  };
  place.replaceChildren(sheet, charts, h("div", { className: "below" }, rest));
  update(run);
  return update;
}

function reportsTab(place, run) {
  if (!run.reports.length) {
    place.replaceChildren(h("div", { className: "panel soft" }, h("p", {}, "Pages of HTML in the run's folder are shown here, such as"), h("p", {}, h("code", {}, `augan evaluate ${run.name} --against DATA --html ${run.name}/report.html`)), h("p", {}, h("code", {}, `augan lift DATA --report ${run.name}/lift.html`))));
    return;
  }
  const frame = h("iframe", { title: "Report", sandbox: "allow-scripts" });
  const show = (name) => { frame.src = address("report", { run: run.name, name }); for (const one of chips.children) one.setAttribute("aria-pressed", one.dataset.name === name); };
  const chips = h("div", { className: "chips panel" }, run.reports.map((report) => { const one = h("button", { type: "button", title: report.name, onclick: () => show(report.name) }, report.title); one.dataset.name = report.name; return one; }));
  place.replaceChildren(chips, frame);
  show(run.reports[0].name);
}

export async function runView(main, every, name, tab = "") {
  let run = await get("run", { run: name });
  const head = h("div", { className: "head" }), tabs = h("nav", { className: "tabs", "aria-label": "Parts" }), place = h("div");
  main.replaceChildren(head, tabs, place);
  let shownHead = "";
  const drawHead = () => {
    const text = JSON.stringify([run.state, run.ours, run.health, run.fraction, run.reports.length]);
    if (text === shownHead || head.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return;
    shownHead = text;
    head.replaceChildren(h("h1", {}, run.name), stateBadge(run.state), ...[run.state === "training" ? healthBadge(run.health) : null].filter(Boolean), h("span", { className: "spacer" }), h("div", { className: "row actions" }, actions(run, refresh)), ...[progress(run)].filter(Boolean));
    tabs.replaceChildren(...tabsOf(run).map(([key, label]) => h("a", { href: runLink(run.name, key), "aria-current": key === tab ? "page" : null }, label)));
  };
  let update = () => {};
  const refresh = async () => {
    run = await get("run", { run: name });
    drawHead();
    update(run);
    return ["training", "starting", "saving"].includes(run.state) ? 2000 : 6000;
  };
  drawHead();
  if (tab === "explore") exploreTab(place, run);
  else if (tab === "curate") curateTab(place, run);
  else if (tab === "translate") translateTab(place, run);
  else if (tab === "reports") reportsTab(place, run);
  else update = trainingTab(place, run);
  every(refresh, 2000);
}
