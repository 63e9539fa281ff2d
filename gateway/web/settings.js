// How answers are asked for: what can be set, what is right, and where it is kept. Unset: the server's default.

const KEY = "fondue.settings";

/**
 * @typedef {object} Settings
 * @property {number} [temperature]
 * @property {number} [top_p]
 * @property {number} [max_tokens]
 * @property {number} [seed]
 * @property {number} [max_images]
 * @property {number} [max_images_per_ret]
 * @property {number} [ret_bias]
 * @property {boolean} [feed_back_images]
 * @property {string} [index]
 * @property {string} [generation]
 * @property {object[]} [conditions]
 *
 * @typedef {{name: keyof Settings, label: string, help: string, min?: number, max?: number, step?: number | "any",
 *   kind: "number" | "truth" | "text" | "json" | "index"}} Field
 */

/** All settings, in the order of the panel. @type {{title: string, fields: Field[]}[]} */
export const GROUPS = [
  {
    title: "Text",
    fields: [
      {
        name: "temperature",
        label: "Temperature",
        help: "0 always takes the likeliest word.",
        kind: "number",
        min: 0,
        max: 100,
        step: "any",
      },
      {
        name: "top_p",
        label: "Top-p",
        help: "Above 0, up to 1. Needs a temperature above 0.",
        kind: "number",
        min: 0,
        max: 1,
        step: "any",
      },
      { name: "max_tokens", label: "Tokens at most", help: "", kind: "number", min: 1, max: 1024, step: 1 },
      {
        name: "seed",
        label: "Seed",
        help: "Empty: another one each time.",
        kind: "number",
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        step: 1,
      },
    ],
  },
  {
    title: "Pictures",
    fields: [
      { name: "max_images", label: "In an answer, at most", help: "", kind: "number", min: 0, max: 32, step: 1 },
      { name: "max_images_per_ret", label: "For each [RET]", help: "", kind: "number", min: 1, max: 16, step: 1 },
      {
        name: "ret_bias",
        label: "Inclination to pictures",
        help: "Above 0 more pictures, below 0 fewer.",
        kind: "number",
        min: -100,
        max: 100,
        step: "any",
      },
      { name: "feed_back_images", label: "Show found pictures to the model in later turns", help: "", kind: "truth" },
    ],
  },
  {
    title: "Index",
    fields: [
      { name: "index", label: "Index", help: "", kind: "index" },
      { name: "generation", label: "Generation", help: "Empty: the active one.", kind: "text" },
      {
        name: "conditions",
        label: "Conditions, as JSON",
        help: 'For example [{"field": "group", "equals": {"text": "food"}}]',
        kind: "json",
      },
    ],
  },
];

const FIELDS = GROUPS.flatMap((group) => group.fields);

/**
 * Reads what was typed.
 * @param {Field} field
 * @param {string} typed
 * @returns {{value?: unknown, fault?: string}} Neither: it is unset.
 */
export function read(field, typed) {
  const text = typed.trim();
  if (text === "") return {};
  if (field.kind === "number") {
    const value = Number(text);
    const whole = field.step !== 1 || Number.isInteger(value);
    const within = value >= (field.min ?? -Infinity) && value <= (field.max ?? Infinity);
    if (!Number.isFinite(value) || !whole || !within || (field.name === "top_p" && value === 0)) {
      return { fault: `Must be ${field.step === 1 ? "a whole number" : "a number"}, ${bounds(field)}.` };
    }
    return { value };
  }
  if (field.kind === "json") {
    try {
      const value = JSON.parse(text);
      if (Array.isArray(value) && value.every((each) => each !== null && typeof each === "object")) return { value };
    } catch {
      // The fault below says it.
    }
    return { fault: "Must be a JSON list of conditions." };
  }
  return { value: field.kind === "truth" ? text === "true" : text };
}

/** @param {Field} field */
function bounds(field) {
  if (field.name === "top_p") return "above 0, up to 1";
  return field.name === "seed" ? "0 or more" : `${field.min} to ${field.max}`;
}

/** What is said below a field. @param {Field} field */
export function helpOf(field) {
  const range = field.step === 1 && field.name !== "seed" ? `${bounds(field)}.` : "";
  return [range, field.help].filter(Boolean).join(" ");
}

/** What must be right of the settings together. @param {Settings} settings @returns {{name: keyof Settings, fault: string} | null} */
export function fault(settings) {
  const { top_p = 1, temperature = 0 } = settings;
  if (top_p === 1 || temperature > 0) return null;
  return { name: "top_p", fault: "Other than 1 needs a temperature above 0." };
}

/** The settings that were kept. What is not right any more is left out. @returns {Settings} */
export function load() {
  /** @type {Record<string, unknown>} */
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    // Not ours, or no storage: defaults.
  }
  /** @type {Record<string, unknown>} */
  const settings = {};
  for (const field of FIELDS) {
    const raw = kept[field.name];
    if (raw === undefined || raw === null) continue;
    const { value } = read(field, field.kind === "json" ? JSON.stringify(raw) : String(raw));
    if (value !== undefined) settings[field.name] = value;
  }
  return settings;
}

/** @param {Settings} settings */
export function keep(settings) {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Without storage they hold until the page is left.
  }
}
