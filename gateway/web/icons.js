// The icons: strokes on a square of 24 units, in the colour of the text around.

import { svg } from "./dom.js";

const PATHS = {
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5",
  attach: "M4 17l4.5-5 4 4 3-3 4.5 4M4 5h16v14H4zM9 9h.01",
  back: "M15 5l-7 7 7 7",
  branch: "M7 4v16M7 14c0-4 10-2 10-7M17 7V4M14.500 6.500 17 4l2.500 2.500",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  forth: "M9 5l7 7-7 7",
  fresh: "M12 5v14M5 12h14",
  gallery: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  link: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  more: "M12 7.500v.01M12 11v6M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18z",
  search: "M10.500 17a6.500 6.500 0 1 1 0-13 6.500 6.500 0 0 1 0 13zM15.500 15.500 20 20",
  send: "M12 19V6M6 11l6-6 6 6",
  settings: "M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h7M15 17h5M13 15v4",
  stop: "M7 7h10v10H7z",
  auto: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 3v18",
  light:
    "M12 16a4 4 0 1 1 0-8 4 4 0 0 1 0 8zM12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1 1M17.400 17.400l1 1M5.600 18.400l1-1M17.400 6.600l1-1",
  dark: "M19 14.500A7.500 7.500 0 0 1 9.500 5 7.500 7.500 0 1 0 19 14.500z",
  undo: "M9 5L4 10l5 5M4 10h10a6 6 0 0 1 0 12h-3",
};

/** @typedef {keyof typeof PATHS} Icon */

/** An icon. It says nothing to screen readers: its button does. @param {Icon} name */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}
