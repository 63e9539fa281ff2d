// Light, dark, or as the system has it. A classic script, run before the page is drawn, so that nothing flashes.
"use strict";

(() => {
  const key = "fondue.theme";
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  try {
    theme = localStorage.getItem(key) ?? "auto";
  } catch {
    // No storage: as the system has it.
  }
  const show = () => {
    document.documentElement.dataset.theme = themes.includes(theme) ? theme : "auto";
  };
  show();
  document.addEventListener("fondue-theme", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
    try {
      localStorage.setItem(key, theme);
    } catch {
      // It holds until the page is left.
    }
    show();
  });
})();
