// The page on the real services, at FONDUE_URL: what a stand-in cannot vouch for.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, send, visit } from "../support/browser.mjs";
import { messages, until } from "../support/fixture.mjs";
import { PICTURE } from "../support/picture.mjs";

const url = process.env.FONDUE_URL;
if (!url) throw new Error("FONDUE_URL names no gateway; `cargo xtask test-browser` starts one");

let browser;
let visited;
before(async () => (browser = await launch()));
after(() => browser?.close());
beforeEach(async () => (visited = await visit(browser, url)));
afterEach(async () => {
  const { context, complaints } = visited;
  await context.close();
  assert.deepEqual(complaints, []);
});

const turn = (page, n, state) =>
  page
    .locator(".turn")
    .nth(n)
    .and(page.locator(`[data-state="${state}"]`));
/** Makes pictures likely. */
async function set(page, values) {
  await page.evaluate((settings) => localStorage.setItem("fondue.settings", JSON.stringify(settings)), values);
  await page.reload();
  await page.locator("html[data-ready]").waitFor();
}
/** Lets no more than so many bytes a second come, until the session that it gives is detached. */
async function slow(page, downloadThroughput) {
  const session = await page.context().newCDPSession(page);
  const line = { offline: false, latency: 0, uploadThroughput: -1, downloadThroughput };
  await session.send("Network.emulateNetworkConditions", line);
  return session;
}
const loaded = (image) => image.evaluate((node) => node.complete && node.naturalWidth > 0);

test("a turn brings text and a picture, and outlives a reload as history", { timeout: 60_000 }, async () => {
  const { page } = visited;
  await set(page, { ret_bias: 6 });
  await send(page, "Show me a red apple.");
  await turn(page, 0, "done").waitFor();
  const body = page.locator(".turn .body");
  assert.notEqual((await body.locator(".run").first().textContent()).trim(), "");
  await until(() => loaded(body.locator("img").first()), true);
  assert.notEqual(await body.locator("img").first().getAttribute("alt"), "");
  assert.match(await page.locator(".facts").innerText(), /[1-9]\d* tokens in .* [1-9]\d* out/);
  assert.ok((await page.locator("svg.strip .bar-decode").count()) === 1);
  assert.ok((await page.locator("svg.strip .bar-search").count()) >= 1);
  const text = await body.innerText();
  await page.reload();
  await until(() => page.locator(".turn .body").innerText(), text);
  await until(() => loaded(page.locator(".turn .body img").first()), true);
  await send(page, "Can you find a rocket?");
  await turn(page, 1, "done").waitFor();
  // The second prompt begins with the first turn, which the model remembers.
  const [first, second] = await page.locator(".facts").allInnerTexts();
  const tokens = (words) => Number(/^(\d+) tokens in/.exec(words)[1]);
  assert.ok(tokens(second) > tokens(first), `${first} | ${second}`);
});

test("a picture that is given is read, and one that was found can be asked about", { timeout: 60_000 }, async () => {
  const { page } = visited;
  await set(page, { ret_bias: 6 });
  await page.locator("#composer input[type=file]").setInputFiles({ name: "red.png", mimeType: "image/png", buffer: PICTURE });
  await send(page, "Another like this?");
  await turn(page, 0, "done").waitFor();
  await page.locator(".timing summary").click();
  assert.equal(await page.getByRole("row", { name: /Seeing pictures/ }).count(), 1);
  await page.locator("button.picture").first().click();
  await page.getByRole("button", { name: "Ask about this" }).click();
  await until(() => loaded(page.locator(".thumb img")), true);
  await send(page, "And like this?");
  await turn(page, 1, "done").waitFor();
});

test("an answer is stopped, and the dialogue goes on", { timeout: 60_000 }, async () => {
  const { page } = visited;
  // As hot as this it rambles until it has no tokens left.
  await set(page, { temperature: 100, max_tokens: 1024, max_images: 0, seed: 7 });
  // A small model is done before anybody can stop it, so the answer comes over a slow line.
  const line = await slow(page, 4_000);
  await send(page, "Tell me a story.");
  await page.locator(".turn .run").nth(1).filter({ hasText: /\S/ }).waitFor();
  await page.keyboard.press("Escape");
  await turn(page, 0, "stopped").waitFor();
  await line.detach();
  assert.notEqual((await page.locator(".turn .body").innerText()).trim(), "");
  await set(page, {});
  await send(page, "Show me a red apple.");
  await turn(page, 1, "done").waitFor();
  assert.equal((await messages(page)).length, 2);
});

test("a field at fault is named", { timeout: 60_000 }, async () => {
  const { page } = visited;
  await set(page, { conditions: [{ field: "group" }] });
  await send(page, "Show me a red apple.");
  await turn(page, 0, "failed").waitFor();
  assert.match(await page.locator(".fault").innerText(), /Field: fondue\.conditions\[0\][\s\S]*status 400/);
  await page.getByRole("button", { name: "Open the settings" }).waitFor();
});

test("the index is searched by words and by picture", { timeout: 60_000 }, async () => {
  const { page } = visited;
  await page.locator("#tools").getByRole("button", { name: "Pictures" }).click();
  await page.getByRole("searchbox").fill("a rocket");
  await page.keyboard.press("Enter");
  const tiles = page.locator(".grid li");
  await until(() => tiles.count(), 20);
  const scores = (await tiles.locator(".number").allInnerTexts()).map(Number);
  assert.deepEqual(
    scores,
    [...scores].sort((a, b) => b - a),
    "best first",
  );
  await until(() => loaded(tiles.first().locator("img")), true);
  await page.getByRole("button", { name: "More", exact: true }).click();
  await until(() => tiles.count(), 40);
  // What a picture is most like is itself.
  const name = await tiles.nth(3).locator(".name").innerText();
  await tiles
    .nth(3)
    .getByRole("button", { name: /^Find what is like/ })
    .click();
  await until(() => tiles.count(), 20);
  await until(() => tiles.first().locator(".name").innerText(), name);
});

test("the gateway tells its limits, and its pictures are its own", { timeout: 60_000 }, async () => {
  const { page } = visited;
  const facts = await page.evaluate(async () => (await fetch("/v1/fondue")).json());
  for (const name of ["message_bytes", "images_per_turn"]) assert.ok(facts.limits[name] > 0, `limits.${name}`);
  assert.ok(facts.indexes[0].rows > 0);
  const policy = (await (await page.request.get(url)).headers())["content-security-policy"];
  assert.match(policy, /default-src 'none'; script-src 'self'/);
});
