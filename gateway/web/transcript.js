// The turns of the path, in order; a turn that stays keeps its elements.

import { arrange } from "./dom.js";
import { turnView } from "./turn_view.js";

/** @typedef {import("./tree.js").Turn} Turn */

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} scroller
 * @param {import("./turn_view.js").Actions} actions
 */
export function transcript(root, scroller, actions) {
  /** @type {Map<string, ReturnType<typeof turnView>>} */
  const views = new Map();
  // Whether the end is in sight, and is to stay there as it grows.
  let follows = true;
  /** @type {(atEnd: boolean) => void} */
  let told = () => {};
  scroller.addEventListener("scroll", () => {
    follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
    told(follows);
  });
  // Pictures that load make it grow, too.
  new ResizeObserver(() => {
    if (follows) scroller.scrollTop = scroller.scrollHeight;
    else told(false);
  }).observe(root);
  return {
    /** @param {import("./tree.js").Tree} tree @param {boolean} busy */
    update(tree, busy) {
      const path = tree.path();
      const nodes = path.map((turn, at) => {
        const view = views.get(turn.id) ?? turnView(turn, actions);
        views.set(turn.id, view);
        view.update(at + 1, { place: tree.place(turn.id), last: at === path.length - 1, busy });
        return view.node;
      });
      arrange(root, nodes);
    },
    /** @param {string} id */
    node: (id) => views.get(id)?.node ?? null,
    clear() {
      views.clear();
      root.replaceChildren();
    },
    /** Goes to the end and stays there. */
    toEnd() {
      follows = true;
      scroller.scrollTop = scroller.scrollHeight;
      told(true);
    },
    /** @param {(atEnd: boolean) => void} listen */
    onMove(listen) {
      told = listen;
    },
  };
}
