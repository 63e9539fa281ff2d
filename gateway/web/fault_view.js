// What went wrong with a turn, and the way on.

import { button, copyButton } from "./button.js";
import { el } from "./dom.js";
import { say } from "./announce.js";

/**
 * @param {import("./answer.js").Failure} failure
 * @param {{retry: (() => void) | null, settings: () => void}} ways
 */
export function faultView(failure, { retry, settings }) {
  const facts = [failure.status > 0 && `status ${failure.status}`, failure.code].filter(Boolean).join(", ");
  const again = retry && button("again", "Try again", retry);
  if (again && failure.retryAt !== null) countDown(again, failure.retryAt);
  const ofSettings = /^(fondue\.|temperature$|top_p$|max_tokens$|seed$)/.test(failure.param ?? "");
  return el(
    "div",
    { class: "fault" },
    el("p", {}, el("strong", {}, "This turn failed. "), failure.message),
    failure.param && el("p", {}, "Field: ", el("code", {}, failure.param)),
    el(
      "p",
      { class: "facts" },
      facts && el("span", {}, facts),
      failure.traceId &&
        el(
          "span",
          { class: "trace" },
          "trace ",
          el("code", {}, failure.traceId),
          copyButton(failure.traceId, "Copy the trace id", say),
        ),
    ),
    el("div", { class: "ways" }, again, ofSettings && button("settings", "Open the settings", settings, { quiet: true })),
  );
}

/** Shows how long to wait, and lets nobody press before. @param {HTMLButtonElement} again @param {number} until */
function countDown(again, until) {
  const label = again.querySelector("span");
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    again.disabled = seconds > 0;
    if (label) label.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
    if (seconds > 0) setTimeout(tick, 250);
  };
  tick();
}
