// The page as a whole: read this first. The dialogue's tree is here; the parts of the page show it and change it.

import { say, summary } from "./announce.js";
import { begun, extended } from "./answer.js";
import * as api from "./api.js";
import { button } from "./button.js";
import { composer } from "./composer.js";
import { confirm } from "./dialog.js";
import { byId, freshId } from "./dom.js";
import { gestures } from "./gestures.js";
import { indexBrowser } from "./index_browser.js";
import { limitsOf, mebibytes } from "./limits.js";
import { pictureDialog } from "./picture_dialog.js";
import { chatBody, wireBytes } from "./request.js";
import * as settingsStore from "./settings.js";
import { settingsDialog } from "./settings_dialog.js";
import * as store from "./store.js";
import { toolbar } from "./toolbar.js";
import { transcript } from "./transcript.js";
import { Tree } from "./tree.js";
import { welcome } from "./welcome.js";

/**
 * @typedef {import("./tree.js").Turn} Turn
 * @typedef {import("./tree.js").Part} Part
 * @typedef {import("./answer.js").Picture} Picture
 */

const SILENT = "The gateway does not tell its limits and defaults. It may be down.";

let tree = new Tree();
let settings = settingsStore.load();
/** @type {api.Facts} */
let facts = {};
/** @type {{turn: Turn, controller: AbortController} | null} */
let running = null;
/** @type {Turn | null} The turn whose message is being edited. */
let edited = null;

const write = composer(byId("composer"), { send, stop, cancelEdit, limits: () => limitsOf(facts.limits), say });
const talk = transcript(byId("transcript"), byId("scroll"), {
  open: (picture) => pictureDialog(picture, use),
  edit,
  again: (turn) => ask(turn.parent, turn.parts),
  retry,
  branch: (turn) => move(() => (tree.head = turn.id), "The dialogue goes on from here."),
  sibling,
  undo: () => move(() => tree.undo(), "The turn was taken back."),
  settings: openSettings,
  traceUrl: () => facts.trace_url,
});

/** Sends what was written. @param {Part[]} parts */
function send(parts) {
  const parent = edited ? edited.parent : tree.head;
  if (!ask(parent, parts)) return;
  cancelEdit();
  write.load([]);
  write.focus();
}

/** Asks for an answer to a new turn after `parent`; false if nothing was sent. @param {string | null} parent @param {Part[]} parts */
function ask(parent, parts) {
  if (running) return false;
  const before = tree.head;
  tree.head = parent;
  const bytes = wireBytes([...tree.path().map((turn) => turn.parts), parts]);
  const { bytes: most } = limitsOf(facts.limits);
  if (bytes > most) {
    tree.head = before;
    write.complain(
      `The pictures of this dialogue are too large together: ${mebibytes(bytes)} of ${mebibytes(most)} on the wire. Take some back, or begin anew.`,
    );
    return false;
  }
  run(tree.add(freshId(), parent, parts, begun()));
  return true;
}

/** Asks again for the answer to a turn that failed. @param {Turn} turn */
function retry(turn) {
  if (running) return;
  turn.answer = begun();
  run(turn);
  write.focus();
}

/** @param {Turn} turn The head. */
async function run(turn) {
  const controller = new AbortController();
  running = { turn, controller };
  show();
  talk.toEnd();
  keep(turn);
  say("Answering …");
  let waiting = 0;
  const draw = () => {
    waiting = 0;
    show();
  };
  try {
    await learn();
    const model = facts.models?.[0] ?? "fondue";
    const body = await chatBody(tree.path().slice(0, -1), turn.parts, settings, model);
    await api.chat(body, controller.signal, (chunk) => {
      turn.answer = extended(turn.answer, chunk);
      // Once a frame at most, however fast the tokens come.
      waiting ||= requestAnimationFrame(draw);
    });
  } catch (error) {
    turn.answer = { ...turn.answer, ...ended(error, controller.signal) };
  }
  cancelAnimationFrame(waiting);
  running = null;
  // The dialogue may have been begun anew meanwhile.
  if (!tree.turns.has(turn.id)) return;
  show();
  say(summary(turn.answer));
  keep(turn);
}

/** What an answer is that ended in `error`. @param {unknown} error @param {AbortSignal} signal */
function ended(error, signal) {
  if (signal.aborted) return { state: /** @type {const} */ ("stopped") };
  if (error instanceof api.ApiError) return { state: /** @type {const} */ ("failed"), failure: error.failure };
  console.error(error);
  const failure = { message: `The page failed: ${error}`, code: null, param: null, status: 0, retryAt: null, traceId: null };
  return { state: /** @type {const} */ ("failed"), failure };
}

function stop() {
  running?.controller.abort();
}

/** @param {Turn} turn */
function edit(turn) {
  edited = turn;
  write.load(turn.parts);
  write.edits("You edit an earlier message. Sending it begins a new branch; the old one is kept.");
  write.focus();
}

function cancelEdit() {
  if (!edited) return;
  edited = null;
  write.edits(null);
  write.load([]);
  write.focus();
}

/** @param {Turn} turn @param {1 | -1} step */
function sibling(turn, step) {
  let there = /** @type {string | null} */ (null);
  move(() => (there = tree.sibling(turn.id, step)), "");
  if (there === null) return;
  const { at, of } = tree.place(there);
  say(`Version ${at} of ${of}.`);
  const buttons = [...(talk.node(there)?.querySelectorAll(".chooser button") ?? [])];
  const wanted = /** @type {HTMLButtonElement[]} */ (step > 0 ? buttons.reverse() : buttons);
  wanted.find((each) => !each.disabled)?.focus();
}

/** Changes the head. @param {() => void} change @param {string} words */
function move(change, words) {
  if (running) return;
  change();
  cancelEdit();
  store.keepHead(tree.head);
  show();
  if (words !== "") {
    say(words);
    write.focus();
  }
}

function reset() {
  if (tree.turns.size === 0) return write.focus();
  confirm(
    "New dialogue",
    "The dialogue with all its branches and pictures will be deleted from this browser.",
    "Begin anew",
    () => {
      stop();
      forget();
      store.clear().catch(unkept);
      others?.postMessage("cleared");
      say("A new dialogue.");
      write.focus();
    },
  );
}

function forget() {
  tree = new Tree();
  talk.clear();
  cancelEdit();
  write.load([]);
  show();
}

/** Puts a found picture into the message. @param {Picture} picture */
function use(picture) {
  write.addLink(picture);
  write.focus();
}

function openSettings() {
  settingsDialog(settings, facts, (next) => {
    settings = next;
    settingsStore.keep(next);
  });
}

function openIndex() {
  const { index, generation, conditions } = settings;
  indexBrowser({
    use,
    details: (picture) =>
      pictureDialog(picture, (each) => {
        for (const dialog of document.querySelectorAll("dialog")) dialog.close();
        use(each);
      }),
    scope: () => ({ index, generation, conditions }),
    limits: () => limitsOf(facts.limits),
  });
}

/** Draws what has changed. */
function show() {
  talk.update(tree, running !== null);
  write.running(running !== null);
  byId("transcript").setAttribute("aria-busy", String(running !== null));
  byId("welcome").hidden = tree.head !== null;
  const later = byId("later");
  later.hidden = !tree.hasLater || running !== null;
  if (later.hidden) later.replaceChildren();
  else if (later.childElementCount === 0) {
    const forward = button("forth", "Return to them", () => move(() => tree.forward(), "Back at the newest turn."), {
      quiet: true,
    });
    later.replaceChildren("Turns that came after this are kept. ", forward);
  }
}

/** @param {Turn} turn */
function keep(turn) {
  try {
    store.keepHead(tree.head);
  } catch (error) {
    unkept(error);
  }
  store.keepTurn(turn).catch(unkept);
}

/** @param {unknown} error */
function unkept(error) {
  console.warn(error);
  notice("This browser does not keep the dialogue: it will be gone after a reload.");
}

/** @param {string | null} words */
function notice(words) {
  const node = byId("notice");
  node.hidden = words === null;
  node.textContent = words ?? "";
}

// Another tab may show the same dialogue. When it is deleted there, it is gone here, too.
const others = "BroadcastChannel" in window ? new BroadcastChannel("fondue") : null;
others?.addEventListener("message", () => {
  stop();
  forget();
});

toolbar(byId("tools"), { index: openIndex, settings: openSettings, reset });
welcome(byId("welcome"), (text) => send([{ kind: "text", text }]));
const newest = byId("newest");
newest.append(button("down", "To the end", () => talk.toEnd(), { quiet: true }));
talk.onMove((atEnd) => (newest.hidden = atEnd));
gestures({
  addFiles: write.addFiles,
  focus: write.focus,
  escape() {
    if (running) stop();
    else cancelEdit();
  },
});
window.addEventListener("offline", () => notice("You are offline."));
window.addEventListener("online", () => notice(null));

/** Learns what the gateway tells of itself, unless that is known. */
async function learn() {
  if (facts.limits) return;
  try {
    facts = await api.facts();
    if (byId("notice").textContent === SILENT) notice(null);
  } catch {
    notice(SILENT);
  }
}
learn();
try {
  const kept = await store.load();
  tree = new Tree(kept.turns, kept.head);
} catch (error) {
  unkept(error);
}
show();
talk.toEnd();
write.focus();
document.documentElement.dataset.ready = "true";
