// What holds on the whole page: files dropped anywhere or pasted into the message, Esc, and the way past the dialogue.

import { byId } from "./dom.js";

/** @param {{addFiles: (files: Iterable<File>) => void, focus: () => void, escape: () => void}} ways */
export function gestures({ addFiles, focus, escape }) {
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    escape();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("drops");
  });
  for (const end of ["dragleave", "drop"]) document.addEventListener(end, () => document.body.classList.remove("drops"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    addFiles(event.dataTransfer?.files ?? []);
  });
  byId("composer").addEventListener("paste", (event) => {
    const given = event.clipboardData?.files ?? [];
    if (given.length === 0) return;
    event.preventDefault();
    addFiles(given);
  });
}
