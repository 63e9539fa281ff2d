// What stands on the page before the first turn.

import { el } from "./dom.js";

const EXAMPLES = ["Show me a red apple.", "Can you find a rocket?", "I would like to see a cat."];

/**
 * @param {HTMLElement} root
 * @param {(text: string) => void} send
 */
export function welcome(root, send) {
  root.replaceChildren(
    el("img", { src: "/assets/icon.svg", alt: "", width: 72, height: 72 }),
    el("h2", {}, "Words and pictures, together"),
    el("p", {}, "Ask for a picture, or drop one here and ask about it. Answers come with pictures where they belong."),
    el(
      "ul",
      {},
      ...EXAMPLES.map((text) =>
        el("li", {}, el("button", { type: "button", class: "button quiet", onclick: () => send(text) }, text)),
      ),
    ),
    el(
      "p",
      { class: "keys" },
      el("kbd", {}, "Enter"),
      " sends, ",
      el("kbd", {}, "Shift"),
      " + ",
      el("kbd", {}, "Enter"),
      " begins a line, ",
      el("kbd", {}, "Esc"),
      " stops.",
    ),
  );
}
