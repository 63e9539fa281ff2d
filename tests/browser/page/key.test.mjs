// A gateway that asks who calls: the page asks for a key, sends it with everything, and forgets it with the tab.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { pageTest, until } from "../support/fixture.mjs";

const dialog = (page) => page.getByRole("dialog", { name: "Key" });

pageTest(
  "a key is asked for, and pictures come with it",
  async ({ page, gateway }) => {
    await dialog(page).waitFor();
    await page.getByLabel("Key or token").fill("fdk_wrong");
    await page.keyboard.press("Enter");
    await dialog(page).getByText("not valid any more").waitFor();
    await page.getByLabel("Key or token").fill(gateway.key);
    await page.getByRole("button", { name: "Use it" }).click();
    await until(() => page.locator("#notice").isHidden(), true);
    await send(page, "late");
    await page.getByText("so it flew").waitFor();
    gateway.open();
    const image = page.locator(".found img");
    await image.waitFor();
    await until(() => image.evaluate((each) => each.complete && each.naturalWidth > 0), true);
    assert.match(await image.getAttribute("src"), /^blob:/);
    gateway.open();
    await page.locator('.turn[data-state="done"]').waitFor();
    await page.reload();
    await until(() => page.locator(".found img").evaluate((each) => each.complete && each.naturalWidth > 0), true);
    assert.equal(await dialog(page).count(), 0, "it is kept over a reload");
    assert.ok(!gateway.asked.some((body) => JSON.stringify(body).includes(gateway.key)), "it is no part of what is said");
  },
  { key: "fdk_right" },
);
