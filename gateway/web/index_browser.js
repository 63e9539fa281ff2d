// Looks into the index: searches by text or by picture, shows what comes with its score.

import { ApiError, searchImages } from "./api.js";
import { say } from "./announce.js";
import { button } from "./button.js";
import { show } from "./dialog.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";
import { problemOf, TYPES } from "./limits.js";
import { addressOf, shown } from "./picture_view.js";
import { contentOf } from "./request.js";

const STEP = 20;
const MOST = 100;

/**
 * @typedef {import("./answer.js").Picture} Picture
 * @typedef {object} Ways
 * @property {(picture: Picture) => void} use Puts a picture into the message.
 * @property {(picture: Picture) => void} details
 * @property {() => object} scope Index, generation and conditions of the settings.
 * @property {() => import("./limits.js").Limits} limits
 */

/** @param {Ways} ways */
export function indexBrowser(ways) {
  const words = el("input", {
    type: "text",
    role: "searchbox",
    enterkeyhint: "search",
    id: "index-words",
    placeholder: "What to look for …",
    autocomplete: "off",
    "aria-label": "What to look for",
  });
  const files = el("input", { type: "file", accept: TYPES.join(","), hidden: true, "aria-label": "Picture to look for" });
  const by = el("div", { class: "by" });
  const told = el("p", { class: "told", role: "status" }, "Search by words, or give a picture to find what is like it.");
  const grid = el("ul", { class: "grid", "aria-label": "Pictures found" });
  const more = button("down", "More", () => search(wanted + STEP), { quiet: true });
  more.hidden = true;
  const pick = button("attach", "By picture", () => files.click(), { quiet: true });
  const go = el("button", { type: "submit", class: "button" }, icon("search"), el("span", {}, "Search"));
  const form = el("form", { class: "query", role: "search" }, by, words, go, pick, files);

  /** @type {import("./tree.js").Part | null} */
  let picture = null;
  let wanted = STEP;
  let running = new AbortController();
  /** @type {import("./tree.js").Part[]} What was asked last: more of it is more of that. */
  let asked = [];

  /** @param {import("./tree.js").Part | null} part */
  const set = (part) => {
    picture = part;
    if (!part || part.kind === "text") return by.replaceChildren();
    const name = part.kind === "image" ? part.name : part.caption;
    const look = shown(part.kind === "image" ? addressOf(part.blob) : part.url, name || "Picture");
    const remove = button("close", "Search without the picture", () => set(null), { bare: true, quiet: true, class: "remove" });
    by.replaceChildren(el("div", { class: "thumb" }, look, remove));
  };

  /** @param {Iterable<File>} given */
  const take = (given) => {
    const [file] = given;
    if (!file) return;
    const problem = problemOf(file, 0, ways.limits());
    if (problem) told.textContent = problem;
    else {
      set({ kind: "image", blob: file, name: file.name });
      ask();
    }
  };

  const ask = () => {
    const text = words.value.trim();
    /** @type {import("./tree.js").Part[]} */
    const parts = [...(picture ? [picture] : []), ...(text === "" ? [] : [/** @type {const} */ ({ kind: "text", text })])];
    if (parts.length === 0) return words.focus();
    asked = parts;
    search(STEP);
  };

  /** @param {number} k */
  const search = async (k) => {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    wanted = Math.min(k, MOST);
    more.disabled = true;
    grid.setAttribute("aria-busy", "true");
    told.textContent = "Searching …";
    try {
      const [only] = asked;
      const input = asked.length === 1 && only?.kind === "text" ? only.text : await contentOf(asked);
      const found = await searchImages({ input, k: wanted, ...ways.scope() }, signal);
      if (!signal.aborted) list(found, k > STEP);
    } catch (error) {
      if (signal.aborted) return;
      told.textContent = error instanceof ApiError ? error.failure.message : "The search failed.";
      if (!(error instanceof ApiError)) console.error(error);
    } finally {
      if (!signal.aborted) {
        grid.removeAttribute("aria-busy");
        more.disabled = false;
      }
    }
  };

  /** @param {Picture[]} found @param {boolean} further */
  const list = (found, further) => {
    const before = further ? grid.children.length : 0;
    if (!further) grid.replaceChildren();
    grid.append(...found.slice(before).map(tile));
    told.textContent = found.length === 0 ? "Nothing was found." : `${found.length} pictures, best first.`;
    more.hidden = found.length < wanted || wanted >= MOST;
    const first = grid.children[before]?.querySelector("button");
    if (further && first) first.focus();
  };

  /** @param {Picture} each */
  const tile = (each) => {
    const name = each.caption || each.id;
    const use = () => {
      dialog.close();
      ways.use(each);
      say(`${name} is in the message.`);
    };
    const like = () => {
      words.value = "";
      set({ kind: "link", url: each.url, caption: name });
      ask();
      words.focus();
    };
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "picture",
          onclick: use,
          title: "Use in the message",
          "aria-label": `Use in the message: ${name}`,
        },
        shown(each.url, ""),
      ),
      el("span", { class: "name", title: name }, name),
      el(
        "span",
        { class: "row" },
        el("span", { class: "number", "aria-label": `Score ${each.score.toFixed(3)}` }, each.score.toFixed(3)),
        button("search", `Find what is like ${name}`, like, { bare: true, quiet: true }),
        button("more", `Details of ${name}`, () => ways.details(each), { bare: true, quiet: true }),
      ),
    );
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  files.addEventListener("change", () => {
    take(files.files ?? []);
    files.value = "";
  });
  const dialog = show({
    title: "Pictures",
    class: "wide",
    content: [form, told, grid, el("div", { class: "ways" }, more)],
    closed: () => running.abort(),
  });
  dialog.addEventListener("paste", (event) => {
    const given = event.clipboardData?.files ?? [];
    if (given.length === 0) return;
    event.preventDefault();
    take(given);
  });
  dialog.addEventListener("dragover", (event) => event.preventDefault());
  dialog.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    take(event.dataTransfer?.files ?? []);
  });
  words.focus();
}
