// A picture as it is shown: found, given, or known by an address alone.

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { openable, showable } from "./links.js";

/** @type {WeakMap<Blob, string>} */
const addresses = new WeakMap();

/** An address for a blob, the same each time. @param {Blob} blob */
export function addressOf(blob) {
  const address = addresses.get(blob) ?? URL.createObjectURL(blob);
  addresses.set(blob, address);
  return address;
}

/**
 * The picture behind an address, or, where it cannot be shown, what is known of it.
 * @param {string} url
 * @param {string} alt
 * @param {(image: HTMLImageElement) => void} [loaded]
 * @returns {HTMLElement}
 */
export function shown(url, alt, loaded) {
  if (!url.startsWith("blob:") && !showable(url)) {
    return instead(alt, `At ${openable(url)?.host ?? "an address that cannot be opened"}`);
  }
  const frame = el("span", { class: "frame" });
  const image = el("img", { src: url, alt, decoding: "async", draggable: "false" });
  image.addEventListener("load", () => loaded?.(image));
  image.addEventListener("error", () => frame.replaceChildren(instead(alt, "This picture cannot be shown")));
  frame.append(image);
  return frame;
}

/** @param {string} alt @param {string} why */
function instead(alt, why) {
  return el("span", { class: "frame instead" }, icon("attach"), el("span", {}, alt), el("small", {}, why));
}

/**
 * A found picture with its caption; a button that opens it.
 * @param {import("./answer.js").Picture} picture
 * @param {() => void} open
 */
export function found(picture, open) {
  const name = picture.caption || picture.id;
  return el(
    "figure",
    { class: "found" },
    el("button", { type: "button", class: "picture", onclick: open, "aria-haspopup": "dialog" }, shown(picture.url, name)),
    el("figcaption", { "aria-hidden": "true" }, name),
  );
}
