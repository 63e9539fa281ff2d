// Asks for the gateway's key, and is where the page's one keyring is.

import { button } from "./button.js";
import { show } from "./dialog.js";
import { el } from "./dom.js";
import { keyring } from "./key.js";

/** The page's keyring. */
export const keys = keyring(sessionStorage, (path, init) => fetch(path, init), ask);

/** @param {boolean} wasWrong @returns {Promise<string | null>} */
function ask(wasWrong) {
  return new Promise((resolve) => {
    const input = el("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true });
    const words = wasWrong ? "The key is not valid any more, or never was." : "This gateway asks who calls.";
    let given = /** @type {string | null} */ (null);
    const take = () => {
      given = input.value.trim() || null;
      // A header takes nothing else.
      input.setCustomValidity(
        given === null || /^[\x21-\x7e]+$/.test(given) ? "" : "A key has no blanks and no letters beyond ASCII.",
      );
      if (given !== null && input.reportValidity()) dialog.close();
      else given = null;
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") take();
    });
    const dialog = show({
      title: "Key",
      class: "small",
      content: [
        el("p", {}, words),
        el("p", {}, el("label", { for: "key" }, "Key or token, kept until this tab is closed")),
        input,
        el("div", { class: "ways" }, button("fresh", "Use it", take)),
      ],
      closed: () => resolve(given),
    });
    input.focus();
  });
}
