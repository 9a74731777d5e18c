// Drop a picture, see it translated.
import { postFile, trying } from "./api.js";
import { h } from "./dom.js";
import { noModel } from "./explore.js";

export function translateTab(place, run) {
  const missing = noModel(run);
  if (missing) { place.replaceChildren(missing); return; }
  const way = h("select", { "aria-label": "Direction" }, run.directions.map((one) => h("option", { value: one }, { a2b: "from A to B", b2a: "from B to A" }[one])));
  const shown = h("div", { className: "charts" });
  const input = h("input", { type: "file", accept: "image/*", multiple: true, "aria-label": "A picture" });
  const zone = h("label", { className: "drop" }, "Drop pictures here, paste one, or choose ", h("u", {}, "files"), input);
  const show = async (files) => {
    for (const file of files) {
      const before = URL.createObjectURL(file);
      await trying(async () => {
        const after = URL.createObjectURL(await postFile("translate", { run: run.name, direction: way.value }, file));
        const stem = file.name.replace(/\.[^.]+$/, "") || "picture";
        shown.prepend(h("div", { className: "panel" }, h("div", { className: "pair" }, h("figure", {}, h("img", { className: "whole stretched", src: before, alt: file.name }), h("figcaption", {}, "as it is")), h("figure", {}, h("img", { className: "whole stretched after", src: after, alt: `${file.name}, translated` }), h("figcaption", {}, "translated"))), h("p", {}, h("a", { href: after, download: `${stem}-translated.png` }, "Download"))));
      });
    }
  };
  input.addEventListener("change", () => show([...input.files]));
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); zone.classList.remove("over"); show([...event.dataTransfer.files]); });
  place.tabIndex = -1;
  place.addEventListener("paste", (event) => show([...event.clipboardData.files]));
  place.replaceChildren(h("div", { className: "panel form" }, run.directions.length > 1 ? h("label", {}, "Direction", way) : null, zone), shown);
  place.focus();
}
