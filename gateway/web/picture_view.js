// A picture as it is shown: found, given, or known by an address alone.

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { keys } from "./key_dialog.js";
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
  const image = el("img", { alt, decoding: "async", draggable: "false" });
  image.addEventListener("load", () => loaded?.(image));
  image.addEventListener("error", () => frame.replaceChildren(instead(alt, "This picture cannot be shown")));
  frame.append(image);
  fetched(url).then(
    (address) => (image.src = address),
    () => frame.replaceChildren(instead(alt, "This picture cannot be shown")),
  );
  return frame;
}

/** @type {Map<string, Promise<Blob>>} Pictures that are shown once and again, by address. */
const blobs = new Map();

/**
 * The address at which the page finds a picture: its own, or, where the gateway asks who calls, that of its bytes, since an image sends no
 * key.
 * @param {string} url @returns {Promise<string>}
 */
async function fetched(url) {
  return url.startsWith("blob:") || !keys.has() ? url : addressOf(await bytesOf(url));
}

/**
 * The same for a tab of its own; null for what could run there, as the bytes would count as this page's.
 * @param {string} url @returns {Promise<string | null>}
 */
export async function opened(url) {
  if (!keys.has()) return openable(url)?.href ?? null;
  const blob = await bytesOf(url);
  return /^image\/(png|jpeg|gif|webp|bmp)$/.test(blob.type) ? addressOf(blob) : null;
}

/** @param {string} url */
async function bytesOf(url) {
  const blob = blobs.get(url) ?? load(url);
  blobs.set(url, blob);
  try {
    return await blob;
  } catch (error) {
    blobs.delete(url);
    throw error;
  }
}

/** @param {string} url */
async function load(url) {
  const response = await keys.fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.blob();
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
