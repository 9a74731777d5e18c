// Which page is shown, the theme, the keys.
import { h, toast } from "./dom.js";
import { freshView } from "./fresh.js";
import { runView } from "./run.js";
import { runsView } from "./runs.js";

const main = document.getElementById("main");
let turn = 0;

// A view's own clock: calls `refresh`, which says in how many milliseconds again, until another view is shown.
function clock(mine) {
  return (refresh, wait = 0) => {
    let failed = false;
    const tick = async () => {
      if (mine !== turn) return;
      let next = 4000;
      try {
        if (!document.hidden) next = await refresh();
        failed = false;
      } catch (error) {
        if (!failed && mine === turn) toast(error.message, true);
        failed = true;
      }
      if (mine === turn) setTimeout(tick, next);
    };
    setTimeout(tick, wait);
  };
}

async function route() {
  const mine = ++turn;
  const [page, name, tab] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  for (const link of document.querySelectorAll("[data-nav]")) if (link.dataset.nav === (page || "runs")) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  document.title = [name, page === "new" ? "New run" : "", "augan studio"].filter(Boolean).join(" · ");
  const place = h("div");
  main.replaceChildren(place);
  try {
    if (page === "new") await freshView(place);
    else if (page === "run") await runView(place, clock(mine), name, tab ?? "");
    else runsView(place, clock(mine));
  } catch (error) {
    if (mine === turn) place.replaceChildren(h("div", { className: "panel wrong", role: "alert" }, error.message));
  }
}

const themes = ["auto", "light", "dark"], button = document.getElementById("theme");
function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
  button.textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
  button.setAttribute("aria-label", `Theme: ${theme}`);
  button.dataset.theme = theme;
  try { localStorage.setItem("augan-theme", theme); } catch { /* private windows keep nothing */ }
}
button.addEventListener("click", () => setTheme(themes[(themes.indexOf(button.dataset.theme) + 1) % 3]));
let kept = null;
try { kept = localStorage.getItem("augan-theme"); } catch { /* as above */ }
setTheme(themes.includes(kept) ? kept : "auto");

const help = document.getElementById("help");
document.getElementById("keys").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n") location.hash = "#/new";
  else if (event.key === "g") location.hash = "#/";
  else if (event.key === "?") help.showModal();
  else if (/^[1-4]$/.test(event.key)) document.querySelectorAll(".tabs a")[Number(event.key) - 1]?.click();
  else return;
  event.preventDefault();
});
if (location.search) history.replaceState(null, "", `/${location.hash}`); // the key is a cookie now
window.addEventListener("hashchange", route);
route();
