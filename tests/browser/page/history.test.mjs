// The tree of turns: what is sent, undo, branches, reset, and what a reload leaves.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { answers, messages, pageTest, until } from "../support/fixture.mjs";
import { PICTURE } from "../support/picture.mjs";

/** Says things one after the other. */
async function say(page, ...words) {
  for (const text of words) {
    const before = await page.locator('.turn[data-state="done"]').count();
    await send(page, text);
    await until(() => page.locator('.turn[data-state="done"]').count(), before + 1);
  }
}
const press = (page, turn, name) => page.locator(".turn").nth(turn).getByRole("button", { name }).click();

pageTest("each turn sends the path before it, with transcripts", async ({ page, gateway }) => {
  await say(page, "many", "two");
  const [first, answer, second] = gateway.asked[1].messages;
  assert.deepEqual(first.content, [{ type: "text", text: "many" }]);
  assert.deepEqual(answer.fondue.image_ids, ["drawing-1", "drawing-2", "drawing-3", "drawing-404"]);
  assert.ok(answer.fondue.transcript.startsWith("Here is what I found for you, best first.[RET][RET]"));
  assert.ok(answer.content.includes("![drawing number 1](/v1/images/g-0001/drawing-1#ret=0&at=41)"));
  assert.deepEqual(second.content, [{ type: "text", text: "two" }]);
});

pageTest("undo takes the last turn back, and it can be returned to", async ({ page, gateway }) => {
  await say(page, "one", "two");
  await press(page, 1, "Take this turn back");
  await until(() => messages(page), ["one"]);
  await page.getByRole("button", { name: "Return to them" }).click();
  await until(() => messages(page), ["one", "two"]);
  await press(page, 1, "Take this turn back");
  await say(page, "other");
  assert.equal(gateway.asked[2].messages.length, 3);
  assert.deepEqual(await messages(page), ["one", "other"]);
  await page.getByRole("button", { name: "The version before" }).click();
  await until(() => messages(page), ["one", "two"]);
});

pageTest("an earlier message is edited on a branch of its own", async ({ page, gateway }) => {
  await say(page, "one", "two", "three");
  await press(page, 1, "Edit this message and branch off");
  assert.equal(await page.locator("#message").inputValue(), "two");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#message").inputValue(), "", "Esc gives the edit up");
  await press(page, 1, "Edit this message and branch off");
  await page.locator("#message").fill("zwei");
  await page.keyboard.press("Enter");
  await until(() => messages(page), ["one", "zwei"]);
  await until(() => gateway.asked.length, 4);
  assert.equal(gateway.asked[3].messages.length, 3);
  const turn = page.locator(".turn").nth(1);
  await until(() => turn.locator(".chooser .number").innerText(), "2/2");
  await until(() => turn.getAttribute("data-state"), "done");
  await turn.getByRole("button", { name: "The version before" }).click();
  await until(() => messages(page), ["one", "two", "three"]);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "The next version");
  await page.keyboard.press("Enter");
  await until(() => messages(page), ["one", "zwei"]);
});

pageTest("a dialogue goes on from any turn", async ({ page, gateway }) => {
  await say(page, "one", "two", "three");
  await press(page, 0, "Go on from here");
  await until(() => messages(page), ["one"]);
  await say(page, "anders");
  assert.equal(gateway.asked[3].messages.length, 3);
  assert.equal(await page.locator(".chooser .number").innerText(), "2/2");
});

pageTest("the same can be asked again", async ({ page, gateway }) => {
  await say(page, "one");
  await press(page, 0, "Ask this again");
  await until(() => gateway.asked.length, 2);
  await until(() => page.locator(".chooser .number").innerText(), "2/2");
  assert.deepEqual(gateway.asked[1].messages, gateway.asked[0].messages);
});

pageTest("a reload changes nothing", async ({ page, gateway }) => {
  await page.locator("#composer input[type=file]").setInputFiles({ name: "red.png", mimeType: "image/png", buffer: PICTURE });
  await say(page, "many");
  await say(page, "two");
  await press(page, 1, "Edit this message and branch off");
  await page.locator("#message").fill("zwei");
  await page.keyboard.press("Enter");
  await until(() => page.locator(".chooser .number").innerText(), "2/2");
  await until(() => page.locator(".turn").nth(1).getAttribute("data-state"), "done");
  const before = [await messages(page), await answers(page)];
  await page.reload();
  await until(async () => [await messages(page), await answers(page)], before);
  await until(() => page.locator(".given img").evaluate((image) => image.naturalWidth), 96);
  assert.equal(await page.locator(".chooser .number").innerText(), "2/2");
  await say(page, "three");
  const sent = gateway.asked.at(-1).messages;
  assert.equal(sent.length, 5);
  assert.equal(sent[0].content[0].image_url.url, `data:image/png;base64,${PICTURE.toString("base64")}`);
  assert.ok(sent[1].fondue.transcript.includes("[RET]"));
});

pageTest("undo to the beginning outlives a reload", async ({ page }) => {
  await say(page, "one");
  await press(page, 0, "Take this turn back");
  await page.reload();
  await page.getByRole("button", { name: "Return to them" }).waitFor();
  assert.deepEqual(await messages(page), []);
});

pageTest("an answer that a reload broke off is marked", async ({ page }) => {
  await send(page, "slow");
  await until(() => page.locator(".run").last().textContent(), "Once upon a time");
  await page.reload();
  await page.locator('.turn[data-state="stopped"]').waitFor();
  assert.deepEqual(await messages(page), ["slow"]);
});

pageTest("a new dialogue is asked about first, and leaves nothing", async ({ page, gateway }) => {
  await say(page, "one", "two");
  const fresh = page.getByRole("button", { name: "New dialogue" });
  await fresh.click();
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.deepEqual(await messages(page), ["one", "two"]);
  await fresh.click();
  await page.getByRole("button", { name: "Begin anew" }).click();
  await until(() => messages(page), []);
  await page.reload();
  await page.locator("html[data-ready]").waitFor();
  assert.deepEqual(await messages(page), []);
  await say(page, "anew");
  assert.equal(gateway.asked[2].messages.length, 1);
});

pageTest("a dialogue that is deleted in one tab is gone in the other", async ({ page, context, gateway }) => {
  await say(page, "one");
  const other = await context.newPage();
  await other.goto(gateway.url);
  await until(() => messages(other), ["one"]);
  await other.getByRole("button", { name: "New dialogue" }).click();
  await other.getByRole("button", { name: "Begin anew" }).click();
  await until(() => messages(page), []);
});
