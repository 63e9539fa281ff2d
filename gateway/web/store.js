// Keeps the dialogue in the browser, pictures included, so that it survives a reload: a record for each turn, and the head.

import { ROOT } from "./tree.js";

const HEAD = "fondue.head";

/** @typedef {import("./tree.js").Turn} Turn */

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

function open() {
  const request = indexedDB.open("fondue", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("turns", { keyPath: "id" });
  return settled(request);
}

/** @param {IDBTransactionMode} mode */
async function turns(mode) {
  opened ??= open();
  return (await opened).transaction("turns", mode).objectStore("turns");
}

/** What was kept. An answer that was still coming when the page was left is marked as stopped. */
export async function load() {
  /** @type {Turn[]} */
  const kept = await settled((await turns("readonly")).getAll());
  for (const { answer } of kept) if (answer.state === "running") answer.state = "stopped";
  // Each tab has its own place in the tree; a new tab begins where the last one was.
  return { turns: kept, head: sessionStorage.getItem(HEAD) ?? localStorage.getItem(HEAD) };
}

/** Keeps one turn as it is now. @param {Turn} turn */
export async function keepTurn(turn) {
  await settled((await turns("readwrite")).put(turn));
}

/** Keeps where the dialogue is. @param {string | null} head */
export function keepHead(head) {
  for (const storage of [sessionStorage, localStorage]) storage.setItem(HEAD, head ?? ROOT);
}

/** Forgets everything. */
export async function clear() {
  for (const storage of [sessionStorage, localStorage]) storage.removeItem(HEAD);
  await settled((await turns("readwrite")).clear());
}
