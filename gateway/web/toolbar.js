// The buttons at the top.

import { say } from "./announce.js";
import { button } from "./button.js";
import { icon } from "./icons.js";

/**
 * @param {HTMLElement} root
 * @param {{index: () => void, settings: () => void, reset: () => void}} ways
 */
export function toolbar(root, ways) {
  const theme = button(
    "auto",
    "Theme",
    () => {
      document.dispatchEvent(new Event("fondue-theme"));
      show();
      say(theme.title);
    },
    { quiet: true, bare: true },
  );
  const show = () => {
    const name = document.documentElement.dataset.theme ?? "auto";
    theme.title = `Colours: ${name === "auto" ? "as the system" : name}`;
    theme.setAttribute("aria-label", theme.title);
    theme.replaceChildren(icon(name === "light" || name === "dark" ? name : "auto"));
  };
  show();
  root.replaceChildren(
    button("gallery", "Pictures", ways.index, { quiet: true }),
    button("settings", "Settings", ways.settings, { quiet: true }),
    theme,
    button("fresh", "New", ways.reset, { quiet: true, hint: "New dialogue" }),
  );
}
