// Dialogs of the page: the browser's own, so that focus, Esc and what lies behind are right.

import { button } from "./button.js";
import { el } from "./dom.js";

/**
 * Shows a dialog; it is gone when it is closed.
 * @param {{title: string, class?: string, content: (import("./dom.js").Child)[], closed?: () => void}} what
 * @returns {HTMLDialogElement}
 */
export function show({ title, class: kind = "", content, closed }) {
  const heading = el("h2", { id: `dialog-${title.toLowerCase().replace(/\W+/g, "-")}` }, title);
  const close = button("close", "Close", () => dialog.close(), { bare: true, quiet: true });
  const dialog = el(
    "dialog",
    { class: `dialog ${kind}`, "aria-labelledby": heading.id },
    el("header", {}, heading, close),
    el("div", { class: "content" }, ...content),
  );
  // A press on what lies behind closes it; one that began inside and ended there does not.
  let outside = false;
  dialog.addEventListener("pointerdown", (event) => (outside = event.target === dialog));
  dialog.addEventListener("click", (event) => {
    if (outside && event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks before something is lost.
 * @param {string} title @param {string} words @param {string} label What is done. @param {() => void} act
 */
export function confirm(title, words, label, act) {
  const dialog = show({
    title,
    class: "small",
    content: [
      el("p", {}, words),
      el(
        "div",
        { class: "ways" },
        button("close", "Cancel", () => dialog.close(), { quiet: true }),
        button("fresh", label, () => {
          dialog.close();
          act();
        }),
      ),
    ],
  });
}
