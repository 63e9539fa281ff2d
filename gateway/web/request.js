// What is sent: a path of the tree and the settings as the body of a chat completion. Pure but for reading blobs.

import { counts } from "./answer.js";

/**
 * @typedef {import("./tree.js").Part} Part
 * @typedef {import("./tree.js").Turn} Turn
 * @typedef {import("./settings.js").Settings} Settings
 */

/**
 * The body that asks for an answer to `parts` after the turns of `history`. Turns that failed, or were stopped before they
 * said anything, are no part of it.
 * @param {Turn[]} history
 * @param {Part[]} parts
 * @param {Settings} settings
 * @param {string} model
 */
export async function chatBody(history, parts, settings, model) {
  const messages = [];
  const { feed_back_images, ...more } = settings;
  /** @type {Part[]} */
  let found = [];
  for (const { parts: said, answer } of history.filter((turn) => counts(turn.answer))) {
    messages.push({ role: "user", content: await contentOf([...found, ...said]) });
    /** @type {Record<string, unknown>} */
    const message = { role: "assistant", content: answer.content };
    if (answer.transcript !== null) {
      message.fondue = { transcript: answer.transcript, image_ids: answer.imageIds };
    }
    messages.push(message);
    found = feed_back_images ? stored(answer) : [];
  }
  messages.push({ role: "user", content: await contentOf([...found, ...parts]) });
  return { model, stream: true, messages, ...options(more) };
}

/**
 * The pictures that were found and that the server holds: the model sees them before what the user says next.
 * @param {Turn["answer"]} answer
 * @returns {Part[]}
 */
function stored(answer) {
  const links = answer.images.filter((image) => image.url.startsWith("/v1/images/"));
  return links.map((image) => ({ kind: "link", url: image.url, caption: image.caption }));
}

/** The settings that are set, where the request has them. @param {Omit<Settings, "feed_back_images">} settings */
export function options(settings) {
  const { temperature, top_p, max_tokens, seed, ...more } = settings;
  const plain = present({ temperature, top_p, max_tokens, seed });
  const fondue = present(more);
  return Object.keys(fondue).length > 0 ? { ...plain, fondue } : plain;
}

/** @param {Record<string, unknown>} fields */
function present(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/**
 * Parts in the shape of the wire.
 * @param {Part[]} parts
 */
export async function contentOf(parts) {
  return Promise.all(
    parts.map(async (part) => {
      if (part.kind === "text") return { type: "text", text: part.text };
      const url = part.kind === "link" ? part.url : await dataUrl(part.blob);
      return { type: "image_url", image_url: { url } };
    }),
  );
}

/** @param {Blob} blob @returns {Promise<string>} */
async function dataUrl(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let binary = "";
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return `data:${blob.type};base64,${btoa(binary)}`;
}

/** Bytes that the pictures of these turns take on the wire, in base64. @param {Part[][]} turns */
export function wireBytes(turns) {
  const parts = turns.flat();
  return parts.reduce((sum, part) => sum + (part.kind === "image" ? Math.ceil(part.blob.size / 3) * 4 : 0), 0);
}
