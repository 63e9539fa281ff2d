// What goes wrong is told, and there is a way on.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { messages, pageTest, until } from "../support/fixture.mjs";
import { TRACE } from "../support/stand_in.mjs";

const fault = (page) => page.locator(".fault");

pageTest("a failure in mid-stream is no short answer", async ({ page, gateway }) => {
  await send(page, "fails");
  await fault(page).waitFor();
  const turn = page.locator('.turn[data-state="failed"]');
  assert.match(await turn.innerText(), /It begins well,[\s\S]*the language service went away/);
  assert.ok((await fault(page).innerText()).includes(TRACE));
  await until(() => page.locator("#status").textContent(), "The answer failed. the language service went away");
  // It is no part of the dialogue.
  await send(page, "hello");
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.equal(gateway.asked[1].messages.length, 1);
});

for (const [name, words] of [
  ["cut", /broke off/],
  ["breaks", /connection to the gateway was lost/],
]) {
  pageTest(`a stream that ends without its end is an error: ${name}`, async ({ page, gateway }) => {
    await send(page, name);
    await until(() => page.locator(".run").last().textContent(), "Half an ans");
    gateway.open();
    await fault(page).waitFor();
    assert.match(await fault(page).innerText(), words);
    await page.getByRole("button", { name: "Try again" }).click();
    await until(() => gateway.asked.length, 2);
    assert.equal(await page.locator(".turn").count(), 1, "it is the same turn");
  });
}

pageTest("no room: the wait is counted down, then it can be tried again", async ({ page, gateway }) => {
  await send(page, "busy");
  const again = page.getByRole("button", { name: /Try again/ });
  await again.waitFor();
  assert.match(await again.innerText(), /Try again in [12] s/);
  assert.equal(await again.isDisabled(), true);
  await until(() => again.innerText(), "Try again");
  await again.click();
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.equal(gateway.asked.length, 2);
  assert.equal(await fault(page).count(), 0);
});

pageTest("a field at fault is named, and leads to the settings", async ({ page }) => {
  await send(page, "wrong");
  await fault(page).waitFor();
  assert.match(
    await fault(page).innerText(),
    /must lie between -100 and 100[\s\S]*fondue\.ret_bias[\s\S]*status 400, invalid_value/,
  );
  await page.getByRole("button", { name: "Open the settings" }).click();
  await page.getByRole("dialog", { name: "Settings" }).waitFor();
});

pageTest("a gateway that is gone is told, and comes back", async ({ page, gateway, context }) => {
  await context.setOffline(true);
  await until(() => page.locator("#notice").innerText(), "You are offline.");
  await send(page, "hello");
  await fault(page).waitFor();
  assert.match(await fault(page).innerText(), /cannot be reached/);
  await context.setOffline(false);
  await until(() => page.locator("#notice").isHidden(), true);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.equal(gateway.asked.length, 1);
  await page.reload();
  await until(() => messages(page), ["hello"]);
});

pageTest("a failed turn can be written anew", async ({ page }) => {
  await send(page, "fails");
  await fault(page).waitFor();
  await page.getByRole("button", { name: "Edit this message" }).click();
  await page.locator("#message").fill("better");
  await page.keyboard.press("Enter");
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.deepEqual(await messages(page), ["better"]);
});

pageTest("a gateway that did not tell its limits at first is asked again", async ({ page, gateway }) => {
  const facts = gateway.facts;
  gateway.facts = null;
  await page.reload();
  await until(() => page.locator("#notice").innerText(), "The gateway does not tell its limits and defaults. It may be down.");
  gateway.facts = facts;
  await send(page, "hello");
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.equal(await page.locator("#notice").isHidden(), true);
});
