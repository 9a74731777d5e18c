// What the page asks of the server; every answer is JSON or a picture, and a mistake is one line.
import { toast } from "./dom.js";

const token = document.querySelector("meta[name=augan-token]").content;

async function answer(response) {
  if (response.ok) return response.headers.get("content-type") === "application/json" ? response.json() : response.blob();
  const text = await response.text();
  let line = text.trim();
  try { line = JSON.parse(text).error ?? line; } catch { /* plain text */ }
  throw new Error(line || `The studio answered ${response.status}.`);
}

async function ask(path, options) {
  let response;
  try { response = await fetch(path, options); } catch { throw new Error("The studio does not answer. Was it ended?"); }
  return answer(response);
}

export const address = (name, query = {}) => `/api/${name}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== ""))}`;
export const get = (name, query) => ask(address(name, query));
export const post = (name, body = {}) => ask(`/api/${name}`, { method: "POST", headers: { "X-Augan-Token": token, "Content-Type": "application/json" }, body: JSON.stringify(body) });
export const postFile = (name, query, file) => ask(address(name, query), { method: "POST", headers: { "X-Augan-Token": token, "Content-Type": "application/octet-stream" }, body: file });
export const putFile = (name, query, file) => ask(address(name, query), { method: "PUT", headers: { "X-Augan-Token": token, "Content-Type": "application/octet-stream" }, body: file });

// Runs `work`; says what went wrong, and returns undefined then.
export async function trying(work, button) {
  if (button) button.disabled = true;
  try { return await work(); } catch (error) { toast(error.message, true); return undefined; } finally { if (button) button.disabled = false; }
}
