// What a message may hold, told before it is sent. Pure.

/** @typedef {{bytes: number, pictures: number, pixels: number | null}} Limits */

/** The kinds of pictures that the model reads. */
export const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"];

/** Left free in a request for everything but pictures. */
const ROOM = 64 * 1024;

/**
 * The limits that the gateway told, and its defaults for what it did not.
 * @param {Record<string, number> | undefined} told
 * @returns {Limits}
 */
export function limitsOf(told = {}) {
  const { message_bytes: bytes = 32 * 1024 * 1024, images_per_turn: pictures = 16, image_pixels: pixels = null } = told;
  return { bytes: bytes - ROOM, pictures, pixels };
}

/**
 * Why a file cannot be added to a message that holds `held` pictures already; null if it can.
 * @param {{name: string, type: string, size: number}} file @param {number} held @param {Limits} limits
 * @returns {string | null}
 */
export function problemOf(file, held, limits) {
  const name = file.name || "This file";
  if (!TYPES.includes(file.type)) return `${name} is not a picture that can be read. PNG, JPEG, WebP, GIF, BMP and TIFF can.`;
  if (held >= limits.pictures) return `A message can hold ${limits.pictures} pictures at most.`;
  if (file.size === 0) return `${name} is empty.`;
  // On the wire three bytes take four.
  const most = Math.floor((limits.bytes / 4) * 3);
  if (file.size > most) return `${name} is too large: it has ${mebibytes(file.size)}, and ${mebibytes(most)} can be sent.`;
  return null;
}

/** Bytes for people. @param {number} bytes */
export function mebibytes(bytes) {
  const size = bytes / (1024 * 1024);
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} MiB`;
}
