// The dialogue as a tree of turns. What is shown and sent is the path from its root to the head; undo and branch move the
// head and lose nothing. Pure: knows neither page nor server.

/**
 * @typedef {{kind: "text", text: string}
 *   | {kind: "image", blob: Blob, name: string}
 *   | {kind: "link", url: string, caption: string}} Part What a user's turn is made of, in order.
 *
 * @typedef {object} Turn
 * @property {string} id
 * @property {string | null} parent
 * @property {number} order Grows with every turn that is added.
 * @property {Part[]} parts
 * @property {import("./answer.js").Answer} answer
 */

/** The head before any turn, where it is told apart from one that is not known. */
export const ROOT = "";

export class Tree {
  /** @param {Turn[]} turns @param {string | null} head Of a head that is not known, the newest turns are shown. */
  constructor(turns = [], head = null) {
    /** @type {Map<string, Turn>} */
    this.turns = new Map();
    // A turn whose parent is lost cannot be reached, and would not be whole.
    for (const turn of [...turns].sort((a, b) => a.order - b.order)) {
      if (turn.parent === null || this.turns.has(turn.parent)) this.turns.set(turn.id, turn);
    }
    /** @type {string | null} */
    this.head = this.turns.has(head ?? "") ? head : null;
    if (this.head === null && head !== ROOT) this.forward();
  }

  /** The turns from the first to the head. @returns {Turn[]} */
  path() {
    const path = [];
    for (let turn = this.turns.get(this.head ?? ""); turn; turn = this.turns.get(turn.parent ?? "")) {
      path.unshift(turn);
    }
    return path;
  }

  /** The turns that go on from `parent`, oldest first; `null`: the first turns. @param {string | null} parent */
  children(parent) {
    return [...this.turns.values()].filter((turn) => turn.parent === parent);
  }

  /**
   * A new turn after `parent`; it becomes the head.
   * @param {string} id @param {string | null} parent @param {Part[]} parts @param {import("./answer.js").Answer} answer
   * @returns {Turn}
   */
  add(id, parent, parts, answer) {
    const last = [...this.turns.values()].at(-1);
    const turn = { id, parent, order: (last?.order ?? 0) + 1, parts, answer };
    this.turns.set(id, turn);
    this.head = id;
    return turn;
  }

  /** Makes the turn before the head the head. The turns stay, and can be returned to. */
  undo() {
    this.head = this.turns.get(this.head ?? "")?.parent ?? null;
  }

  /** Whether turns go on from the head that are not shown. */
  get hasLater() {
    return this.children(this.head).length > 0;
  }

  /** Moves the head on to the newest turn that follows it. */
  forward() {
    for (let next = this.children(this.head).at(-1); next; next = this.children(this.head).at(-1)) {
      this.head = next.id;
    }
  }

  /**
   * Shows the sibling that lies `step` beside turn `id`, with what goes on from it.
   * @param {string} id @param {1 | -1} step
   * @returns {string | null} The turn that stands there now.
   */
  sibling(id, step) {
    const turn = this.turns.get(id);
    if (!turn) return null;
    const siblings = this.children(turn.parent);
    const other = siblings[siblings.indexOf(turn) + step];
    if (!other) return null;
    this.head = other.id;
    this.forward();
    return other.id;
  }

  /** Where turn `id` stands among its siblings, from 1, and how many there are. @param {string} id */
  place(id) {
    const turn = this.turns.get(id);
    const siblings = turn ? this.children(turn.parent) : [];
    return { at: siblings.findIndex((each) => each.id === id) + 1, of: siblings.length };
  }
}
