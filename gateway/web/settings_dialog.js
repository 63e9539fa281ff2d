// The settings, as a panel at the side. What is right is kept at once.

import { say } from "./announce.js";
import { button } from "./button.js";
import { show } from "./dialog.js";
import { el } from "./dom.js";
import { fault, GROUPS, helpOf, read } from "./settings.js";

/**
 * @typedef {import("./settings.js").Settings} Settings
 * @typedef {import("./settings.js").Field} Field
 */

/**
 * @param {Settings} settings
 * @param {import("./api.js").Facts} facts
 * @param {(settings: Settings) => void} keep
 */
export function settingsDialog(settings, facts, keep) {
  const groups = el("div", { class: "groups" });
  /** @param {Settings} now */
  const fill = (now) => {
    /** @type {Record<string, unknown>} */
    const values = { ...now };
    const rows = new Map(
      GROUPS.flatMap((group) => group.fields).map((field) => [field.name, row(limited(field, facts), values[field.name], facts)]),
    );
    const changed = () => {
      /** @type {Record<string, unknown>} */
      const next = {};
      let right = true;
      for (const { field, typed, complain } of rows.values()) {
        const { value, fault: wrong } = read(field, typed());
        complain(wrong ?? "");
        right &&= wrong === undefined;
        if (value !== undefined) next[field.name] = value;
      }
      const together = right ? fault(next) : null;
      if (together) rows.get(together.name)?.complain(together.fault);
      if (right && !together) keep(next);
    };
    for (const { node } of rows.values()) node.addEventListener("change", changed);
    groups.replaceChildren(
      ...GROUPS.map(({ title, fields }) =>
        el("fieldset", {}, el("legend", {}, title), ...fields.map((field) => rows.get(field.name)?.node)),
      ),
    );
  };
  fill(settings);
  const reset = button(
    "undo",
    "Back to the defaults",
    () => {
      keep({});
      fill({});
      say("All settings are the defaults again.");
    },
    { quiet: true },
  );
  show({ title: "Settings", class: "side", content: [groups, el("div", { class: "ways" }, reset), about(facts)] });
}

/** The field within what the gateway allows. @param {Field} field @param {import("./api.js").Facts} facts @returns {Field} */
function limited(field, { limits = {} }) {
  return field.max === undefined ? field : { ...field, max: limits[field.name] ?? field.max };
}

/** @param {Field} field @param {unknown} value @param {import("./api.js").Facts} facts */
function row(field, value, facts) {
  const id = `set-${field.name}`;
  const input = inputOf(field, id, value, facts);
  const wrong = el("small", { class: "wrong", id: `${id}-wrong`, role: "alert" });
  const help = el("small", { id: `${id}-help` }, helpOf(field));
  input.setAttribute("aria-describedby", `${help.id} ${wrong.id}`);
  const label = el("label", { for: id }, field.label);
  return {
    field,
    node: el(
      "div",
      { class: field.kind === "truth" ? "setting truth" : "setting" },
      label,
      input,
      help.textContent !== "" && help,
      wrong,
    ),
    typed: () => (input instanceof HTMLInputElement && input.type === "checkbox" ? (input.checked ? "true" : "") : input.value),
    /** @param {string} words */
    complain(words) {
      wrong.textContent = words;
      input.setAttribute("aria-invalid", String(words !== ""));
    },
  };
}

/** @param {Field} field @param {string} id @param {unknown} value @param {import("./api.js").Facts} facts */
function inputOf(field, id, value, facts) {
  if (field.kind === "truth") {
    const input = el("input", { id, type: "checkbox" });
    input.checked = value === true;
    return input;
  }
  if (field.kind === "json") {
    const area = el("textarea", { id, rows: 4, spellcheck: "false" });
    area.value = value === undefined ? "" : JSON.stringify(value, null, 1);
    return area;
  }
  if (field.kind === "index") {
    const names = (facts.indexes ?? []).map((index) => index.name);
    // One that is not there any more is shown, so that it can be changed.
    if (typeof value === "string" && !names.includes(value)) names.push(value);
    const select = el(
      "select",
      { id },
      el("option", { value: "" }, "The first"),
      ...names.map((name) => el("option", { value: name }, name)),
    );
    select.value = typeof value === "string" ? value : "";
    return select;
  }
  const preset = facts.defaults?.[field.name];
  const input = el("input", {
    id,
    type: "text",
    inputmode: field.kind === "number" && (field.min ?? 0) >= 0 ? "decimal" : undefined,
    placeholder: typeof preset === "number" ? `${preset} (default)` : "default",
    autocomplete: "off",
    spellcheck: "false",
  });
  input.value = value === undefined ? "" : String(value);
  return input;
}

/** @param {import("./api.js").Facts} facts */
function about({ version, indexes = [] }) {
  const lines = indexes.map(({ name, generation, rows }) => {
    const index = `Index${name ? ` ${name}` : ""}`;
    return rows === null ? `${index}: cannot be reached` : `${index}: ${rows} pictures, generation ${generation}`;
  });
  if (version) lines.unshift(`Fondue ${version}`);
  return el("div", { class: "about" }, ...lines.map((line) => el("p", {}, line)));
}
