// Buttons, and how a trace id is copied.

import { el } from "./dom.js";
import { icon } from "./icons.js";

/**
 * A button with an icon and a label.
 * @param {import("./icons.js").Icon} name
 * @param {string} label
 * @param {() => void} press
 * @param {{quiet?: boolean, bare?: boolean, hint?: string, class?: string}} [how] `bare` shows the icon alone; `hint` is what
 *   screen readers and tooltips say instead of the label.
 */
export function button(name, label, press, { quiet = false, bare = false, hint, ...more } = {}) {
  const classes = ["button", quiet && "quiet", bare && "bare", more.class].filter(Boolean).join(" ");
  const title = bare || hint ? (hint ?? label) : undefined;
  return el(
    "button",
    { type: "button", class: classes, onclick: press, title, "aria-label": title },
    icon(name),
    !bare && el("span", {}, label),
  );
}

/**
 * A button that copies `text` and says so.
 * @param {string} text @param {string} label @param {(words: string) => void} say
 */
export function copyButton(text, label, say) {
  return button("copy", label, async () => say((await copied(text)) ? "Copied." : "It could not be copied."), {
    quiet: true,
    bare: true,
  });
}

/** @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS there is no clipboard but for what is selected.
    const area = el("textarea", { class: "unseen", readonly: true });
    area.value = text;
    const before = document.activeElement;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}
