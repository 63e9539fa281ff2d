import assert from "node:assert/strict";
import { test } from "node:test";
import { begun } from "../../../gateway/web/answer.js";
import { ROOT, Tree } from "../../../gateway/web/tree.js";

const say = (tree, id, parent = tree.head) => tree.add(id, parent, [{ kind: "text", text: id }], begun());
const path = (tree) =>
  tree
    .path()
    .map((turn) => turn.id)
    .join(" ");

/** a → b → c, and d beside b, which goes on in e; the head is c. */
function grown() {
  const tree = new Tree();
  for (const id of ["a", "b", "c"]) say(tree, id);
  say(tree, "d", "a");
  say(tree, "e");
  tree.head = "c";
  return tree;
}

test("turns follow each other", () => {
  const tree = grown();
  assert.equal(path(tree), "a b c");
  assert.deepEqual(tree.place("b"), { at: 1, of: 2 });
  assert.deepEqual(tree.place("c"), { at: 1, of: 1 });
});

test("undo keeps what it takes back", () => {
  const tree = grown();
  tree.undo();
  assert.equal(path(tree), "a b");
  assert.equal(tree.hasLater, true);
  tree.forward();
  assert.equal(path(tree), "a b c");
  assert.equal(tree.hasLater, false);
  for (let n = 0; n < 5; n += 1) tree.undo();
  assert.equal(path(tree), "");
  assert.equal(tree.head, null);
});

test("a turn after an earlier one is a branch", () => {
  const tree = grown();
  tree.head = "a";
  say(tree, "f");
  assert.equal(path(tree), "a f");
  assert.deepEqual(tree.place("f"), { at: 3, of: 3 });
});

test("a sibling comes with what goes on from it", () => {
  const tree = grown();
  assert.equal(tree.sibling("b", 1), "d");
  assert.equal(path(tree), "a d e");
  assert.equal(tree.sibling("d", 1), null);
  assert.equal(path(tree), "a d e");
  assert.equal(tree.sibling("d", -1), "b");
  assert.equal(path(tree), "a b c");
});

test("the first turn has siblings, too", () => {
  const tree = grown();
  say(tree, "z", null);
  assert.deepEqual(tree.place("z"), { at: 2, of: 2 });
  assert.equal(tree.sibling("z", -1), "a");
  assert.equal(path(tree), "a d e");
});

test("a tree comes back as it was kept, in whatever order", () => {
  const tree = grown();
  const kept = [...tree.turns.values()].reverse();
  assert.equal(path(new Tree(kept, "c")), "a b c");
  assert.equal(path(new Tree(kept, ROOT)), "", "everything was taken back");
  assert.equal(path(new Tree(kept, null)), "a d e", "no head is known: the newest");
  assert.equal(path(new Tree(kept, "lost")), "a d e");
});

test("turns whose parent is lost are left out", () => {
  const kept = [...grown().turns.values()].filter((turn) => turn.id !== "b");
  const tree = new Tree(kept, "c");
  assert.deepEqual([...tree.turns.keys()], ["a", "d", "e"]);
  assert.equal(path(tree), "a d e");
});
