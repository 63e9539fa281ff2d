// What screen readers are told: whole sentences, not every token.

import { byId } from "./dom.js";

/** Says something when what is being read has been read. @param {string} words */
export function say(words) {
  const status = byId("status");
  // The same words twice in a row would not be noticed.
  status.textContent = status.textContent === words ? `${words}\u00a0` : words;
}

/** What is said of an answer that has come to its end. @param {import("./answer.js").Answer} answer */
export function summary(answer) {
  const words = [];
  if (answer.state === "stopped") words.push("Stopped.");
  if (answer.failure) words.push(`The answer failed. ${answer.failure.message}`);
  else words.push(answer.text || "No text.");
  if (answer.images.length > 0) {
    words.push(`Pictures: ${answer.images.map((image) => image.caption || image.id).join("; ")}.`);
  }
  if (answer.unavailable.length > 0) words.push(`Not there: ${answer.unavailable.length}.`);
  return words.join(" ");
}
