import assert from "node:assert/strict";
import { test } from "node:test";
import { keyring } from "../../../gateway/web/key.js";

/** A keyring of a gateway that takes one key, and a user who types these. */
function scene(right, typed) {
  const kept = new Map();
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  const seen = { calls: [], questions: [] };
  const fetch = async (path, init) => {
    seen.calls.push([path, init.headers.authorization ?? null]);
    await null;
    return { status: right === null || init.headers.authorization === `Bearer ${right}` ? 200 : 401 };
  };
  const ask = async (wasWrong) => {
    seen.questions.push(wasWrong);
    await null;
    return typed.shift() ?? null;
  };
  return { keys: keyring(storage, fetch, ask), seen };
}

test("a gateway that asks nobody is sent no key", async () => {
  const { keys, seen } = scene(null, []);
  assert.equal((await keys.fetch("/a")).status, 200);
  assert.deepEqual([seen.calls, seen.questions, keys.has()], [[["/a", null]], [], false]);
});

test("a key is asked for once, and sent from then on", async () => {
  const { keys, seen } = scene("k", ["k"]);
  const init = { method: "POST", headers: { "content-type": "application/json" } };
  assert.equal((await keys.fetch("/a", init)).status, 200);
  assert.equal((await keys.fetch("/b")).status, 200);
  assert.deepEqual(seen.calls, [
    ["/a", null],
    ["/a", "Bearer k"],
    ["/b", "Bearer k"],
  ]);
  assert.deepEqual([seen.questions, init.headers], [[false], { "content-type": "application/json" }]);
});

test("calls that need a key at once wait for one answer", async () => {
  const { keys, seen } = scene("k", ["k"]);
  const all = await Promise.all(["/a", "/b", "/c"].map((path) => keys.fetch(path)));
  assert.deepEqual([all.map(({ status }) => status), seen.questions], [[200, 200, 200], [false]]);
});

test("a wrong key is asked for again, until the user has enough", async () => {
  const { keys, seen } = scene("k", ["x", "y"]);
  assert.equal((await keys.fetch("/a")).status, 401);
  assert.deepEqual(seen.questions, [false, true, true]);
});
