// A found picture, large, with what is known of it.

import { say } from "./announce.js";
import { button, copyButton } from "./button.js";
import { show } from "./dialog.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";
import { openable, showable } from "./links.js";
import { opened, shown } from "./picture_view.js";

/**
 * @param {import("./answer.js").Picture} picture
 * @param {(picture: import("./answer.js").Picture) => void} ask Puts it into the message.
 */
export function pictureDialog(picture, ask) {
  const name = picture.caption || picture.id;
  const address = openable(picture.url);
  /** @param {string} term @param {...import("./dom.js").Child} words */
  const row = (term, ...words) => el("div", {}, el("dt", {}, term), el("dd", {}, ...words));
  const link =
    address &&
    el(
      "a",
      { class: "button quiet", href: address.href, target: "_blank", rel: "noopener noreferrer" },
      icon("link"),
      el("span", {}, "Open"),
    );
  // Another tab sends no key either. A picture of another origin is a link as it is.
  if (link && showable(picture.url)) {
    opened(picture.url).then(
      (own) => (own === null ? link.remove() : (link.href = own)),
      () => link.remove(),
    );
  }
  const dialog = show({
    title: name,
    class: "picture-dialog",
    content: [
      el("div", { class: "large" }, shown(picture.url, name)),
      el(
        "dl",
        {},
        row("Score", picture.score.toFixed(3)),
        row("Id", el("code", {}, picture.id), copyButton(picture.id, "Copy the id", say)),
        row("Generation", el("code", {}, picture.generation)),
        picture.index ? row("Index", picture.index) : null,
        picture.media_type ? row("Kind", picture.media_type) : null,
      ),
      el(
        "div",
        { class: "ways" },
        button("attach", "Ask about this", () => {
          dialog.close();
          ask(picture);
        }),
        link,
      ),
    ],
  });
}
