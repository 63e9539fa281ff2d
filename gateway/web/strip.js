// The timing strip of a turn: bars on one axis, and the same as a table.

import { el, svg } from "./dom.js";
import { layout, spoken } from "./timing.js";

const LANE = 7;

/**
 * @param {import("./timing.js").Timings} timings
 * @returns {HTMLElement}
 */
export function strip(timings) {
  const { bars, total, lanes } = layout(timings);
  const axis = Math.max(total, Number.EPSILON);
  /** @param {import("./timing.js").Bar} bar @param {number} y @param {number} height */
  const drawn = (bar, y, height) =>
    svg(
      "rect",
      {
        class: `bar-${bar.kind}`,
        x: percent(bar.start / axis),
        // What was too short to see is seen all the same.
        width: percent(Math.max(bar.length / axis, 0.004)),
        y,
        height,
        rx: 1.5,
      },
      svg("title", {}, `${bar.label}: ${spoken(bar.length)}`),
    );
  const picture = svg(
    "svg",
    { class: "strip", width: "100%", height: lanes * LANE - 1, role: "img", "aria-label": words(bars, total) },
    ...bars.map((bar) => drawn(bar, bar.lane * LANE, LANE - 1)),
    ...marks(timings).map(({ at, label }) =>
      svg("rect", { class: "mark", x: percent(at / axis), width: 1.5, y: 0, height: LANE - 1 }, svg("title", {}, label)),
    ),
  );
  const rows = bars.map((bar) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, bar.label),
      el("td", { class: "number" }, spoken(bar.start)),
      el("td", { class: "number" }, spoken(bar.length)),
      el("td", { class: "chart", "aria-hidden": "true" }, svg("svg", { width: "100%", height: 10 }, drawn(bar, 1, 8))),
    ),
  );
  const heads = ["Part", "Start", "Length"].map((name) => el("th", { scope: "col" }, name));
  return el(
    "details",
    { class: "timing" },
    el("summary", {}, picture, el("span", { class: "number" }, spoken(total))),
    el(
      "div",
      { class: "table", tabindex: "0", role: "region", "aria-label": "Where the time went" },
      el("table", {}, el("thead", {}, el("tr", {}, ...heads, el("th", { "aria-hidden": "true" }))), el("tbody", {}, ...rows)),
      el(
        "p",
        {},
        marks(timings)
          .map(({ at, label }) => `${label} after ${spoken(at)}`)
          .join(" · "),
      ),
    ),
  );
}

/** @param {number} share */
const percent = (share) => `${(share * 100).toFixed(2)}%`;

/** @param {import("./timing.js").Timings} timings */
function marks({ first_token_ms = 0, first_text_ms = 0 }) {
  const both = [
    { at: first_token_ms, label: "First token" },
    { at: first_text_ms, label: "First text" },
  ];
  return both.filter(({ at }) => at > 0);
}

/** @param {import("./timing.js").Bar[]} bars @param {number} total */
function words(bars, total) {
  const parts = bars.map((bar) => `${bar.label.toLowerCase()} ${spoken(bar.length)}`);
  return `Took ${spoken(total)}: ${parts.join(", ")}`;
}
