// Where a turn is written: texts and pictures in the order in which they are meant.

import { button } from "./button.js";
import { arrange, el } from "./dom.js";
import { icon } from "./icons.js";
import { problemOf, TYPES } from "./limits.js";
import { addressOf, shown } from "./picture_view.js";

/**
 * @typedef {import("./tree.js").Part} Part
 * @typedef {{kind: "text", node: HTMLTextAreaElement}
 *   | {kind: "picture", node: HTMLElement, part: Exclude<Part, {kind: "text"}>}} Block
 */

/**
 * @param {HTMLElement} form
 * @param {{send: (parts: Part[]) => void, stop: () => void, cancelEdit: () => void, limits: () => import("./limits.js").Limits,
 *   say: (words: string) => void}} page
 */
export function composer(form, page) {
  const banner = el("div", { class: "banner", hidden: true });
  const blocksRoot = el("div", { class: "blocks" });
  const fault = el("p", { class: "composer-fault", role: "alert" });
  const files = el("input", { type: "file", accept: TYPES.join(","), multiple: true, hidden: true, "aria-label": "Pictures" });
  const attach = button("attach", "Add pictures", () => files.click(), { bare: true, quiet: true });
  const submit = el(
    "button",
    { type: "submit", class: "button send", "aria-label": "Send", title: "Send (Enter)" },
    icon("send"),
  );
  const stop = button("stop", "Stop", page.stop, { bare: true, class: "send stop", hint: "Stop (Esc)" });
  stop.hidden = true;
  form.replaceChildren(banner, fault, el("div", { class: "field" }, attach, blocksRoot, submit, stop), files);

  /** @type {Block[]} */
  let blocks = [];
  /** @type {Block | undefined} The text that was written in last. */
  let active;

  /** @param {string} text @returns {Block} */
  const textBlock = (text) => {
    const node = el("textarea", { rows: "1", dir: "auto", enterkeyhint: "send" });
    node.value = text;
    /** @type {Block} */
    const block = { kind: "text", node };
    node.addEventListener("focus", () => (active = block));
    node.addEventListener("input", () => {
      fit(node);
      fault.textContent = "";
    });
    return block;
  };

  /** @param {Exclude<Part, {kind: "text"}>} part @returns {Block} */
  const pictureBlock = (part) => {
    const name = (part.kind === "image" ? part.name : part.caption) || "picture";
    const url = part.kind === "image" ? addressOf(part.blob) : part.url;
    const node = el("div", { class: "thumb", role: "group", "aria-label": `Picture: ${name}` });
    /** @type {Block} */
    const block = { kind: "picture", node, part };
    const look = shown(url, name, (image) => {
      const most = page.limits().pixels;
      if (most === null || image.naturalWidth * image.naturalHeight <= most) return;
      remove(block);
      fault.textContent = `${name} has more than ${Math.floor(most / 1e6)} million pixels, which is too many.`;
    });
    const close = button("close", `Remove ${name}`, () => remove(block), { bare: true, quiet: true, class: "remove" });
    const move = (/** @type {1 | -1} */ step) =>
      button(step < 0 ? "back" : "forth", `Move ${name} ${step < 0 ? "forward" : "back"}`, () => shift(block, step), {
        bare: true,
        quiet: true,
        class: step < 0 ? "earlier" : "later-on",
      });
    node.append(look, move(-1), close, move(1));
    return block;
  };

  /** Brings the blocks into order: no two texts side by side, no empty ones but the last, which is always there. */
  const settle = () => {
    /** @type {Block[]} */
    const settled = [];
    for (const block of blocks) {
      const last = settled.at(-1);
      if (block.kind === "text" && last?.kind === "text") {
        const both = [last.node.value, block.node.value].filter((text) => text.trim() !== "");
        // The one that is written in stays.
        const stays = block === active ? block : last;
        stays.node.value = both.join(" ");
        settled[settled.length - 1] = stays;
      } else settled.push(block);
    }
    if (settled.at(-1)?.kind !== "text") settled.push(textBlock(""));
    blocks = settled.filter((block, at) => block.kind !== "text" || at === settled.length - 1 || block.node.value.trim() !== "");
    arrange(
      blocksRoot,
      blocks.map((block) => block.node),
    );
    const pictures = blocks.some((block) => block.kind === "picture");
    blocks.forEach((block, at) => {
      if (block.kind !== "text") return;
      const last = at === blocks.length - 1;
      block.node.id = last ? "message" : "";
      block.node.setAttribute("aria-label", last ? "Message" : "Text before the picture");
      block.node.placeholder = last ? (pictures ? "Ask about it …" : "Ask, or drop a picture …") : "";
      fit(block.node);
    });
  };

  /** @param {Exclude<Part, {kind: "text"}>} part */
  const insert = (part) => {
    const block = active && blocks.includes(active) ? active : blocks.at(-1);
    if (block?.kind !== "text") return;
    const { value, selectionStart } = block.node;
    const at = blocks.indexOf(block);
    if (value.slice(0, selectionStart).trim() === "") blocks.splice(at, 0, pictureBlock(part));
    else {
      const rest = textBlock(value.slice(selectionStart).trimStart());
      block.node.value = value.slice(0, selectionStart).trimEnd();
      blocks.splice(at + 1, 0, pictureBlock(part), rest);
      active = rest;
    }
    settle();
  };

  /** @param {Block} block */
  const remove = (block) => {
    blocks = blocks.filter((each) => each !== block);
    settle();
    page.say("Picture removed.");
    blocks.at(-1)?.node.focus();
  };

  /** @param {Block} block @param {1 | -1} step */
  const shift = (block, step) => {
    const at = blocks.indexOf(block);
    const to = at + step;
    if (to < 0 || to >= blocks.length) return;
    const focused = document.activeElement;
    blocks.splice(at, 1);
    blocks.splice(to, 0, block);
    settle();
    if (focused instanceof HTMLElement) focused.focus();
    page.say(`Picture is now at place ${blocks.indexOf(block) + 1} of the message.`);
  };

  /** @param {Iterable<File>} given */
  const addFiles = (given) => {
    fault.textContent = "";
    for (const file of given) {
      const limits = page.limits();
      const problem = problemOf(file, blocks.filter((block) => block.kind === "picture").length, limits);
      if (problem) fault.textContent = problem;
      else insert({ kind: "image", blob: file, name: file.name });
    }
    blocks.at(-1)?.node.focus();
  };

  /** @returns {Part[]} */
  const parts = () =>
    blocks
      .map((block) =>
        block.kind === "picture" ? block.part : /** @type {Part} */ ({ kind: "text", text: block.node.value.trim() }),
      )
      .filter((part) => part.kind !== "text" || part.text !== "");

  /** @param {Part[]} given */
  const load = (given) => {
    blocks = given.map((part) => (part.kind === "text" ? textBlock(part.text) : pictureBlock(part)));
    active = undefined;
    fault.textContent = "";
    settle();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = parts();
    if (given.length > 0 && stop.hidden) page.send(given);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !(event.target instanceof HTMLTextAreaElement)) return;
    event.preventDefault();
    if (form instanceof HTMLFormElement) form.requestSubmit();
  });
  files.addEventListener("change", () => {
    addFiles(files.files ?? []);
    files.value = "";
  });
  load([]);
  return {
    addFiles,
    load,
    parts,
    /** Takes a picture that the gateway can be pointed at. @param {import("./answer.js").Picture} picture */
    addLink: (picture) => insert({ kind: "link", url: picture.url, caption: picture.caption || picture.id }),
    focus: () => blocks.at(-1)?.node.focus(),
    /** @param {string} words */
    complain: (words) => (fault.textContent = words),
    /** @param {string | null} words `null`: nothing is being edited. */
    edits(words) {
      banner.hidden = words === null;
      const cancel = button("close", "Cancel", page.cancelEdit, { quiet: true });
      banner.replaceChildren(...(words === null ? [] : [el("span", {}, words), cancel]));
    },
    /** @param {boolean} runs */
    running(runs) {
      const focused = document.activeElement;
      [stop.hidden, submit.hidden] = [!runs, runs];
      if (focused === stop || focused === submit) blocks.at(-1)?.node.focus();
    },
  };
}

/** Makes a text as high as what is in it, where the browser does not do so by itself. @param {HTMLTextAreaElement} area */
function fit(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.rows = Math.min(10, area.value.split("\n").length);
}
