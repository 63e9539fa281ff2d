// Writing a message: keys, pictures by three ways, order, limits.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { pageTest, until } from "../support/fixture.mjs";
import { PICTURE } from "../support/picture.mjs";

const file = (name, buffer = PICTURE, mimeType = "image/png") => ({ name, mimeType, buffer });
const input = (page) => page.locator("#composer input[type=file]");
/** What is being written, in order. */
const blocks = (page) =>
  page.locator(".blocks > *").evaluateAll((all) => all.map((each) => each.value ?? `[${each.querySelector("img").alt}]`));
const DATA = `data:image/png;base64,${PICTURE.toString("base64")}`;

/** Hands files over as a drag or the clipboard does. */
const give = (page, selector, kind, names) =>
  page.locator(selector).evaluate(
    (node, [type, all, data]) => {
      const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
      const transfer = new DataTransfer();
      for (const name of all) transfer.items.add(new File([bytes], name, { type: "image/png" }));
      const event =
        type === "drop"
          ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
      node.dispatchEvent(event);
    },
    [kind, names, PICTURE.toString("base64")],
  );

pageTest("Enter sends, Shift and Enter begin a line, blanks are nothing", async ({ page, gateway }) => {
  const message = page.locator("#message");
  await message.press("Enter");
  await message.fill("   ");
  await message.press("Enter");
  await message.fill("one");
  await message.press("Shift+Enter");
  await message.pressSequentially("two");
  assert.equal(gateway.asked.length, 0);
  const [one, two] = [await message.evaluate((node) => node.clientHeight), "one\ntwo\nthree\nfour"];
  await message.press("Enter");
  await until(() => gateway.asked.length, 1);
  assert.equal(gateway.asked[0].messages[0].content[0].text, "one\ntwo");
  assert.equal(await message.inputValue(), "");
  assert.equal(await page.evaluate(() => document.activeElement.id), "message");
  await message.fill(two);
  assert.ok((await message.evaluate((node) => node.clientHeight)) > one, "it grows with its text");
});

pageTest("pictures are picked, pasted and dropped, and sent in order with the text", async ({ page, gateway }) => {
  await input(page).setInputFiles([file("a.png"), file("b.png")]);
  await until(() => blocks(page), ["[a.png]", "[b.png]", ""]);
  await page.locator("#message").fill("first words");
  await give(page, "#message", "paste", ["c.png"]);
  await until(() => blocks(page), ["[a.png]", "[b.png]", "first words", "[c.png]", ""]);
  await give(page, "main", "drop", ["d.png"]);
  await page.locator("#message").fill("last words");
  await until(() => blocks(page), ["[a.png]", "[b.png]", "first words", "[c.png]", "[d.png]", "last words"]);
  await page.locator("#message").press("Enter");
  await until(() => gateway.asked.length, 1);
  const kinds = gateway.asked[0].messages[0].content.map((part) => part.text ?? part.image_url.url);
  assert.deepEqual(kinds, [DATA, DATA, "first words", DATA, DATA, "last words"]);
  assert.equal(await page.locator(".said img").count(), 4);
  assert.equal(await page.locator(".thumb").count(), 0);
});

pageTest("a picture goes where the caret is, and can be moved and removed by keyboard", async ({ page }) => {
  const message = page.locator("#message");
  await message.fill("before after");
  await message.evaluate((node) => node.setSelectionRange(6, 6));
  await give(page, "#message", "paste", ["x.png"]);
  await until(() => blocks(page), ["before", "[x.png]", "after"]);
  await page.getByRole("button", { name: "Move x.png forward" }).press("Enter");
  await until(() => blocks(page), ["[x.png]", "before after"]);
  await page.getByRole("button", { name: "Remove x.png" }).press("Enter");
  await until(() => blocks(page), ["before after"]);
  assert.equal(await page.evaluate(() => document.activeElement.id), "message");
});

pageTest(
  "what cannot be sent is told before it is sent",
  async ({ page, gateway }) => {
    const told = page.locator(".composer-fault");
    await input(page).setInputFiles(file("big.png", Buffer.alloc(900_000)));
    assert.match(await told.innerText(), /big\.png is too large: it has 0\.9 MiB, and 0\.7 MiB can be sent/);
    await input(page).setInputFiles(file("notes.txt", Buffer.from("x"), "text/plain"));
    assert.match(await told.innerText(), /notes\.txt is not a picture/);
    await input(page).setInputFiles(["a.png", "b.png", "c.png"].map((name) => file(name)));
    assert.match(await told.innerText(), /2 pictures at most/);
    assert.deepEqual(await blocks(page), ["[a.png]", "[b.png]", ""]);
    assert.equal(await told.getAttribute("role"), "alert");
    assert.equal(gateway.asked.length, 0);
  },
  { facts: { limits: { message_bytes: 1024 * 1024, images_per_turn: 2 } } },
);

pageTest(
  "a dialogue whose pictures are too large together is told before it is sent",
  async ({ page, gateway }) => {
    const large = Buffer.concat([PICTURE, Buffer.alloc(400_000)]);
    await input(page).setInputFiles(file("one.png", large));
    await send(page, "hello");
    await page.locator('.turn[data-state="done"]').waitFor();
    await input(page).setInputFiles(file("two.png", large));
    await send(page, "again");
    assert.match(await page.locator(".composer-fault").innerText(), /too large together/);
    assert.equal(await page.locator("#message").inputValue(), "again", "what was written stays");
    assert.equal(gateway.asked.length, 1);
  },
  { facts: { limits: { message_bytes: 1024 * 1024 } } },
);

pageTest("an edited message comes back whole", async ({ page, gateway }) => {
  await input(page).setInputFiles(file("a.png"));
  await send(page, "what?");
  await page.getByRole("button", { name: "Edit this message" }).click();
  await until(() => blocks(page), ["[a.png]", "what?"]);
  await page.locator("#message").press("Enter");
  await until(() => gateway.asked.length, 2);
  assert.deepEqual(gateway.asked[1], gateway.asked[0]);
});

pageTest(
  "a picture of too many pixels is told",
  async ({ page }) => {
    await input(page).setInputFiles(file("wide.png"));
    await until(() => page.locator(".composer-fault").innerText(), "wide.png has more than 0 million pixels, which is too many.");
    assert.deepEqual(await blocks(page), [""]);
  },
  { facts: { limits: { image_pixels: 100 } } },
);
