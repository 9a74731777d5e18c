// The form for a new run, with uploads.
import { get, post, putFile, trying } from "./api.js";
import { h, number, toast } from "./dom.js";
import { runLink } from "./runs.js";

const ABREAST = 4;

// Sends files one after another, a few abreast; returns the path of the data on the server.
export async function upload(files, name, tell) {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const { upload: key } = await post("upload/begin", { name, files: files.length, bytes: total });
  let next = 0, done = 0;
  const work = async () => {
    while (next < files.length) {
      const file = files[next++];
      const path = file.path || file.webkitRelativePath || file.name;
      await putFile("upload/file", { upload: key, name: path }, file);
      done += file.size;
      tell(done / Math.max(1, total));
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, work));
  return (await post("upload/end", { upload: key })).data;
}

// Files of what was dropped, folders walked through; each gets a `path`.
async function dropped(transfer) {
  const found = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      file.path = path + entry.name;
      found.push(file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const inner = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!inner.length) return;
      for (const one of inner) await walk(one, `${path}${entry.name}/`);
    }
  };
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  for (const entry of entries) await walk(entry, "");
  return found;
}

// The folder that all files share is the name of the data, and not a class.
function trimmed(files) {
  const paths = files.map((file) => file.path || file.webkitRelativePath || file.name);
  const first = paths[0].split("/")[0];
  const shared = paths.every((path) => path.startsWith(`${first}/`));
  files.forEach((file, index) => { file.path = shared ? paths[index].slice(first.length + 1) : paths[index]; });
  return shared ? first : files.length === 1 ? first.replace(/\.[^.]+$/, "") : "images";
}

const TAKEN = /\.(png|jpe?g|webp|bmp|gif|tiff?|p[pgbn]m|zip|npz|npy|parquet|tar)$/i;

function dropZone(set, choices) {
  const folder = h("input", { type: "file", multiple: true, webkitdirectory: true, "aria-label": "Upload a folder" });
  const single = h("input", { type: "file", multiple: true, "aria-label": "Upload files" });
  const bar = h("progress", { max: 1, value: 0, hidden: true });
  const send = (all) => trying(async () => {
    const files = all.filter((file) => TAKEN.test(file.name) && !(file.path || file.webkitRelativePath || "").split("/").some((part) => part.startsWith(".")));
    if (!files.length) throw new Error("There are no pictures or archives among these files.");
    const name = `${trimmed(files).replace(/[^\p{L}\p{N}_ .+-]/gu, "_").slice(0, 60)}-${Date.now().toString(36)}`;
    bar.hidden = false;
    const data = await upload(files, name, (share) => { bar.value = share; });
    toast(`${number(files.length)} ${files.length === 1 ? "file is" : "files are"} in ${data}.`);
    set(data);
  }).finally(() => { bar.hidden = true; });
  for (const input of [folder, single]) input.addEventListener("change", () => { if (input.files.length) send([...input.files]); });
  const zone = h("div", { className: "drop" }, "Drop a folder, pictures or an archive here, or upload ",
    h("a", { href: "#", onclick: (event) => { event.preventDefault(); folder.click(); } }, "a folder"), " or ",
    h("a", { href: "#", onclick: (event) => { event.preventDefault(); single.click(); } }, "files"), h("br"),
    h("small", {}, `at most ${number(choices.upload_limit_bytes / 1e6)} MB`), folder, single, bar);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => { event.preventDefault(); zone.classList.remove("over"); send(await dropped(event.dataTransfer)); });
  return zone;
}

export async function freshView(main) {
  const choices = await get("choices");
  const offered = h("datalist", { id: "offered" }, choices.data.map((path) => h("option", { value: path })));
  const field = (label, props) => { const input = h("input", props); return [h("label", {}, label, input), input]; };
  const [dataField, data] = field("Images: a folder, .zip, .npz, .npy, .parquet or .tar in the workspace", { name: "data", required: true, list: "offered", autocomplete: "off", placeholder: choices.data[0] ?? "photos" });
  const [otherField, other] = field("Side B: what they are to become", { name: "b", list: "offered", autocomplete: "off" });
  const [nameField, name] = field("Name of the run", { name: "name", required: true, autocomplete: "off" });
  const [minutesField, minutes] = field("Minutes", { name: "minutes", type: "number", min: 0.01, step: "any", value: 5 });
  const [imagesField, images] = field("or images shown", { name: "images", type: "number", min: 1, step: 1 });
  const [sizeField, size] = field("Size in pixels", { name: "size", placeholder: "as the data" });
  const [seedField, seed] = field("Seed", { name: "seed", type: "number", min: 0, step: 1, value: 0 });
  const recipe = h("select", { name: "recipe" });
  const task = h("select", { name: "task" }, h("option", { value: "train" }, "New images like these"), h("option", { value: "translate" }, "From image to image"));
  const paired = h("input", { type: "checkbox", name: "paired" });
  const pairedField = h("label", { className: "check" }, paired, "Images of one name belong together");
  const settings = h("textarea", { name: "settings", placeholder: "game.objective=hinge", spellcheck: false });
  let named = false;
  name.addEventListener("input", () => { named = name.value !== ""; });
  const suggest = () => { if (!named && data.value) name.value = `${data.value.replace(/\/+$/, "").split("/").pop().replace(/\.\w+$/, "").replace(/[^\p{L}\p{N}_ .+-]/gu, "_").slice(0, 60)}-1`; };
  data.addEventListener("change", suggest);
  const arrange = () => {
    const translate = task.value === "translate";
    otherField.hidden = pairedField.hidden = !translate;
    other.required = translate;
    recipe.replaceChildren(...["auto", ...(translate ? choices.translations : choices.recipes).filter((one) => one !== "auto")].map((one) => h("option", { value: one }, one)));
  };
  task.addEventListener("change", arrange);
  const start = h("button", { className: "main", type: "submit" }, "Start training");
  const form = h("form", { className: "panel form", onsubmit: (event) => { event.preventDefault(); trying(async () => {
    const wish = { task: task.value, data: data.value, b: other.value, paired: paired.checked, name: name.value, minutes: minutes.value, images: images.value, recipe: recipe.value, size: size.value, seed: seed.value, settings: settings.value };
    await post("train", wish);
    toast(`Training of ${wish.name} starts.`);
    location.hash = "#/";
  }, start); } },
  h("label", {}, "What to learn", task), offered, dataField, otherField, pairedField,
  dropZone((path) => { const target = data.value && !otherField.hidden ? other : data; target.value = path; suggest(); }, choices),
  nameField, h("div", { className: "pair" }, minutesField, imagesField),
  h("details", {}, h("summary", {}, "More"), h("div", { className: "form" }, h("div", { className: "pair" }, h("label", {}, "Recipe", recipe), sizeField, seedField), h("label", {}, "Settings, one KEY=VALUE a line", settings))),
  h("div", {}, start));
  arrange();
  main.replaceChildren(h("div", { className: "head" }, h("h1", {}, "New run"), h("span", { className: "soft" }, `in ${choices.workspace}`)), form);
  data.focus();
}

export { runLink };
