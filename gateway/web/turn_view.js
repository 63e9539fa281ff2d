// One turn: what was said, the answer, what it took, and what can be done with it.

import { say } from "./announce.js";
import { answerView } from "./answer_view.js";
import { button, copyButton } from "./button.js";
import { el } from "./dom.js";
import { faultView } from "./fault_view.js";
import { openable } from "./links.js";
import { addressOf, shown } from "./picture_view.js";
import { strip } from "./strip.js";

/**
 * @typedef {import("./tree.js").Turn} Turn
 *
 * @typedef {object} Actions
 * @property {(picture: import("./answer.js").Picture) => void} open
 * @property {(turn: Turn) => void} edit
 * @property {(turn: Turn) => void} again
 * @property {(turn: Turn) => void} retry
 * @property {(turn: Turn) => void} branch
 * @property {(turn: Turn, step: 1 | -1) => void} sibling
 * @property {() => void} undo
 * @property {() => void} settings
 * @property {() => string | undefined} traceUrl
 *
 * @typedef {{place: {at: number, of: number}, last: boolean, busy: boolean}} Standing
 */

/** Why an answer ended, where people would wonder. */
const ENDS = /** @type {Record<string, string>} */ ({
  LENGTH: "Ended at the most tokens that the settings allow.",
  length: "Ended at the most tokens that the settings allow.",
  CONTEXT_FULL: "Ended because the model's positions ran out.",
  CANCELLED: "Ended by the server before it was complete.",
});

/**
 * @param {Turn} turn
 * @param {Actions} actions
 */
export function turnView(turn, actions) {
  const answer = answerView(actions.open);
  const before = el("div", { class: "notes" });
  const after = el("div", { class: "meta" });
  const tools = el("div", { class: "turn-tools" });
  const chooser = el("div", { class: "chooser" });
  const said = el("div", { class: "said", dir: "auto" }, ...turn.parts.map(partView));
  const reply = el("section", { class: "answer", "aria-label": "Answer" }, before, answer.node, after);
  const head = el("div", { class: "said-row" }, chooser, said);
  const node = el("article", { class: "turn" }, head, reply, tools);
  /** @type {import("./answer.js").Answer | null} */
  let drawn = null;
  let standing = "";
  return {
    node,
    /** @param {number} number From 1. @param {Standing} now */
    update(number, now) {
      node.setAttribute("aria-label", `Turn ${number}`);
      const state = turn.answer.state;
      node.dataset.state = state;
      const changed = drawn !== turn.answer;
      if (changed) {
        drawn = turn.answer;
        answer.update(turn.answer);
        before.replaceChildren(...notes(turn.answer));
      }
      const key = JSON.stringify([state, now]);
      // While it runs only the answer changes.
      if (standing === key && (!changed || state === "running")) return;
      standing = key;
      const opened = after.querySelector("details")?.open ?? false;
      const told = document.createElement("div");
      told.append(...(state === "running" ? [] : meta(turn, actions, now)));
      const details = told.querySelector("details");
      // Before the focus goes back: what is folded away cannot have it.
      if (details) details.open = opened;
      refill(after, [...told.childNodes]);
      refill(chooser, choose(turn, actions, now));
      refill(tools, toolsOf(turn, actions, now));
    },
  };
}

/** Puts other nodes in; the focus stays on the button of the same name. @param {HTMLElement} parent @param {Node[]} nodes */
function refill(parent, nodes) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const name = focused?.getAttribute("aria-label") ?? focused?.textContent;
  parent.replaceChildren(...nodes);
  if (!focused) return;
  const buttons = [...parent.querySelectorAll(/** @type {"button"} */ ("button, summary, a"))];
  const same = buttons.find((each) => (each.getAttribute("aria-label") ?? each.textContent) === name && !each.disabled);
  (same ?? buttons.find((each) => !each.disabled))?.focus();
}

/** @param {import("./tree.js").Part} part */
function partView(part) {
  if (part.kind === "text") return el("p", { class: "run" }, part.text);
  if (part.kind === "image") return el("span", { class: "given" }, shown(addressOf(part.blob), part.name || "Picture"));
  return el("span", { class: "given" }, shown(part.url, part.caption || "Picture"));
}

/** @param {import("./answer.js").Answer} answer */
function notes({ historyCut: cut }) {
  if (!cut) return [];
  const turns = (/** @type {number} */ n) => (n === 1 ? "1 turn" : `${n} turns`);
  const words = `The model did not see the whole dialogue: the oldest ${turns(cut.turns_left_out)} did not fit its ${cut.max_positions} positions. It saw ${turns(cut.turns_kept)} before this one.`;
  return [el("p", { class: "note cut" }, words)];
}

/** @param {Turn} turn @param {Actions} actions @param {Standing} now */
function meta(turn, actions, now) {
  const { answer } = turn;
  const retry = now.last && !now.busy ? () => actions.retry(turn) : null;
  const nodes = [];
  if (answer.state === "stopped") nodes.push(el("p", { class: "note" }, "Stopped before its end."));
  if (answer.failure) nodes.push(faultView(answer.failure, { retry, settings: actions.settings }));
  const end = ENDS[answer.finishReason ?? ""];
  if (end) nodes.push(el("p", { class: "note" }, end));
  if (answer.timings) nodes.push(strip(answer.timings));
  const facts = [...usage(answer), ...(answer.failure?.traceId ? [] : trace(answer, actions))];
  if (facts.length > 0) nodes.push(el("p", { class: "facts" }, ...facts));
  return nodes;
}

/** @param {import("./answer.js").Answer} answer */
function usage({ usage: used }) {
  if (!used) return [];
  const { prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0 } = used;
  return [el("span", {}, `${prompt_tokens} tokens in (${cached_tokens} cached), ${generated_tokens} out`)];
}

/** @param {import("./answer.js").Answer} answer @param {Actions} actions */
function trace({ traceId }, actions) {
  if (!traceId) return [];
  const url = actions.traceUrl()?.replace("{trace_id}", encodeURIComponent(traceId));
  const address = url ? openable(url) : null;
  const id = el("code", { title: traceId }, `${traceId.slice(0, 8)}…`);
  const shownId = address ? el("a", { href: address.href, target: "_blank", rel: "noopener noreferrer" }, id) : id;
  return [el("span", { class: "trace" }, "trace ", shownId, copyButton(traceId, "Copy the trace id", say))];
}

/** @param {Turn} turn @param {Actions} actions @param {Standing} now */
function choose(turn, actions, { place, busy }) {
  if (place.of < 2) return [];
  const back = button("back", "The version before", () => actions.sibling(turn, -1), { quiet: true, bare: true });
  const forth = button("forth", "The next version", () => actions.sibling(turn, 1), { quiet: true, bare: true });
  back.disabled = busy || place.at === 1;
  forth.disabled = busy || place.at === place.of;
  const count = el("span", { class: "number", "aria-label": `Version ${place.at} of ${place.of}` }, `${place.at}/${place.of}`);
  return [back, count, forth];
}

/** @param {Turn} turn @param {Actions} actions @param {Standing} now */
function toolsOf(turn, actions, { last, busy }) {
  if (turn.answer.state === "running") return [];
  const edit = button("edit", "Edit", () => actions.edit(turn), { quiet: true, hint: "Edit this message and branch off" });
  const again = button("again", "Again", () => actions.again(turn), { quiet: true, hint: "Ask this again" });
  const end = last
    ? button("undo", "Undo", actions.undo, { quiet: true, hint: "Take this turn back" })
    : button("branch", "Go on from here", () => actions.branch(turn), { quiet: true });
  const tools = turn.answer.failure && last ? [edit, end] : [edit, again, end];
  for (const tool of tools) tool.disabled = busy;
  return tools;
}
