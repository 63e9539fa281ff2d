// The index browser.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { pageTest, until } from "../support/fixture.mjs";
import { PICTURE } from "../support/picture.mjs";

const open = async (page) => {
  await page.locator("#tools").getByRole("button", { name: "Pictures" }).click();
  return page.getByRole("dialog", { name: "Pictures" });
};
const search = async (page, words) => {
  await page.getByRole("searchbox").fill(words);
  await page.keyboard.press("Enter");
};

pageTest("pictures are found by words, with scores, and more of them", async ({ page, gateway }) => {
  const dialog = await open(page);
  assert.equal(await page.evaluate(() => document.activeElement.id), "index-words");
  await search(page, "round");
  const tiles = dialog.getByRole("listitem");
  await until(() => tiles.count(), 20);
  assert.match(await tiles.first().innerText(), /drawing number 0\s+0\.910/);
  for (const wanted of [40, 60]) {
    await dialog.getByRole("button", { name: "More", exact: true }).click();
    await until(() => tiles.count(), wanted);
  }
  await dialog.getByRole("button", { name: "More", exact: true }).click();
  await until(() => tiles.count(), 64);
  assert.equal(await dialog.getByRole("button", { name: "More", exact: true }).count(), 0, "there is no more");
  assert.deepEqual(
    gateway.searched.map(({ input, k }) => [input, k]),
    [
      ["round", 20],
      ["round", 40],
      ["round", 60],
      ["round", 80],
    ],
  );
});

pageTest("a picture that was found is used in the message", async ({ page, gateway }) => {
  await open(page);
  await search(page, "round");
  await page.getByRole("button", { name: "Use in the message: drawing number 2", exact: true }).click();
  await page.locator(".thumb").waitFor();
  assert.equal(await page.getByRole("dialog").count(), 0);
  await until(() => page.evaluate(() => document.activeElement.id), "message");
  await send(page, "like this");
  await until(() => gateway.asked.length, 1);
  assert.equal(gateway.asked[0].messages[0].content[0].image_url.url, "/v1/images/g-0001/drawing-2");
});

pageTest("a picture is the query: from a file, or from what was found", async ({ page, gateway }) => {
  const dialog = await open(page);
  await dialog.locator("input[type=file]").setInputFiles({ name: "red.png", mimeType: "image/png", buffer: PICTURE });
  await until(() => gateway.searched.length, 1);
  assert.deepEqual(gateway.searched[0].input, [
    { type: "image_url", image_url: { url: `data:image/png;base64,${PICTURE.toString("base64")}` } },
  ]);
  await dialog.getByRole("button", { name: "Find what is like drawing number 3", exact: true }).click();
  await until(() => gateway.searched.length, 2);
  assert.deepEqual(gateway.searched[1].input, [{ type: "image_url", image_url: { url: "/v1/images/g-0001/drawing-3" } }]);
  await dialog.getByRole("button", { name: "Search without the picture" }).click();
  await search(page, "words");
  await until(() => gateway.searched.length, 3);
  assert.equal(gateway.searched[2].input, "words");
});

pageTest("details open above, and lead to the message", async ({ page }) => {
  const dialog = await open(page);
  await search(page, "round");
  await dialog.getByRole("button", { name: "Details of drawing number 1", exact: true }).click();
  const details = page.getByRole("dialog", { name: "drawing number 1" });
  await details.waitFor();
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "detached" });
  assert.equal(await dialog.isVisible(), true);
  await dialog.getByRole("button", { name: "Details of drawing number 1", exact: true }).click();
  await details.getByRole("button", { name: "Ask about this" }).click();
  await until(() => page.getByRole("dialog").count(), 0);
  assert.equal(await page.locator(".thumb").count(), 1);
});

pageTest("nothing found, and a search that fails, are told", async ({ page }) => {
  const dialog = await open(page);
  await search(page, "nothing");
  await until(() => dialog.locator(".told").innerText(), "Nothing was found.");
  await search(page, "break");
  await until(() => dialog.locator(".told").innerText(), "retrieval is down");
  await page.keyboard.press("Escape");
  await until(() => page.getByRole("dialog").count(), 0);
});
