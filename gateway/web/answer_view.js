// An answer's text with its pictures where they belong. What stands already is kept as more comes.

import { arrange, el } from "./dom.js";
import { found } from "./picture_view.js";
import { segments } from "./points.js";

const REASONS = /** @type {Record<string, string>} */ ({
  UNAVAILABLE: "The picture search could not be reached.",
  NONE_LEFT: "No picture is left that was not shown already.",
  DEADLINE: "The picture search took too long.",
  LIMIT: "This answer has as many pictures as it may have.",
});

/**
 * @param {(picture: import("./answer.js").Picture) => void} open
 * @returns {{node: HTMLElement, update: (answer: import("./answer.js").Answer) => void}}
 */
export function answerView(open) {
  const node = el("div", { class: "body", dir: "auto" });
  /** @type {Map<string, HTMLElement>} */
  const nodes = new Map();
  /** @param {string} key @param {() => HTMLElement} make */
  const kept = (key, make) => {
    const element = nodes.get(key) ?? make();
    nodes.set(key, element);
    return element;
  };
  return {
    node,
    update(answer) {
      const things = [...answer.images, ...answer.unavailable];
      const all = segments(answer.text, things);
      const wanted = all.map((segment, at) => {
        if (segment.kind === "text") {
          const run = kept(`text ${segment.start}`, () => el("span", { class: "run" }));
          // Blanks next to pictures, which stand in rows of their own, would show as indents and empty lines.
          const text = at > 0 ? segment.text.trimStart() : segment.text;
          const tidy = at < all.length - 1 ? text.trimEnd() : text;
          if (run.textContent !== tidy) run.textContent = tidy;
          return run;
        }
        const row = kept(`row ${segment.start}`, () => el("div", { class: "row" }));
        arrange(
          row,
          segment.things.map((thing) => {
            if ("id" in thing) {
              const key = `picture ${thing.ret_index} ${thing.rank} ${thing.url}`;
              return kept(key, () => found(thing, () => open(thing)));
            }
            return kept(`missing ${thing.ret_index}`, () => missing(thing));
          }),
        );
        return row;
      });
      const caret = kept("caret", () => el("span", { class: "caret", "aria-hidden": "true" }));
      arrange(node, answer.state === "running" ? [...wanted, caret] : wanted);
    },
  };
}

/** @param {import("./answer.js").Unavailable} thing */
function missing({ reason, message }) {
  const short = reason.replace(/^REASON_/, "");
  return el("p", { class: "missing", title: message }, `No picture here. ${REASONS[short] ?? message}`);
}
