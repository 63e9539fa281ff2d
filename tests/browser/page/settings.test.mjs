// The settings, the colours, and who uses the page without a mouse or without seeing it.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { pageTest, until } from "../support/fixture.mjs";

const open = (page) => page.locator("#tools").getByRole("button", { name: "Settings" }).click();
const set = async (page, label, value) => {
  await page.getByLabel(label, { exact: true }).fill(value);
  await page.keyboard.press("Tab");
};

pageTest("settings are sent, kept, and reset", async ({ page, gateway }) => {
  await open(page);
  await set(page, "Temperature", "0.8");
  await set(page, "Top-p", "0.9");
  await set(page, "Tokens at most", "32");
  await set(page, "Seed", "7");
  await set(page, "In an answer, at most", "4");
  await set(page, "For each [RET]", "2");
  await set(page, "Inclination to pictures", "-1.5");
  await page.getByLabel("Show found pictures to the model").check();
  await set(page, "Generation", "g-0001");
  await set(page, "Conditions, as JSON", '[{"field": "group", "equals": {"text": "food"}}]');
  await page.keyboard.press("Escape");
  await page.reload();
  await send(page, "hello");
  await until(() => gateway.asked.length, 1);
  const { temperature, top_p, max_tokens, seed, fondue } = gateway.asked[0];
  assert.deepEqual({ temperature, top_p, max_tokens, seed }, { temperature: 0.8, top_p: 0.9, max_tokens: 32, seed: 7 });
  assert.deepEqual(fondue, {
    max_images: 4,
    max_images_per_ret: 2,
    ret_bias: -1.5,
    generation: "g-0001",
    conditions: [{ field: "group", equals: { text: "food" } }],
  });
  await open(page);
  assert.equal(await page.getByLabel("Temperature").inputValue(), "0.8");
  await page.getByRole("button", { name: "Back to the defaults" }).click();
  assert.equal(await page.getByLabel("Temperature").inputValue(), "");
  assert.equal(await page.getByLabel("Temperature").getAttribute("placeholder"), "0 (default)");
  await page.keyboard.press("Escape");
  await page.locator('.turn[data-state="done"]').waitFor();
  await send(page, "again");
  await until(() => gateway.asked.length, 2);
  assert.deepEqual(Object.keys(gateway.asked[1]).sort(), ["messages", "model", "stream"]);
});

pageTest("what is wrong is told at its field, and not sent", async ({ page, gateway }) => {
  await open(page);
  await set(page, "Temperature", "warm");
  const field = page.getByLabel("Temperature");
  await until(() => field.getAttribute("aria-invalid"), "true");
  assert.match(await page.locator("#set-temperature-wrong").innerText(), /a number, 0 to 100/);
  await set(page, "Tokens at most", "513");
  assert.match(await page.locator("#set-max_tokens-wrong").innerText(), /a whole number, 1 to 512/, "as the gateway has it");
  await set(page, "Tokens at most", "");
  await set(page, "Temperature", "");
  await set(page, "Top-p", "0.5");
  assert.match(await page.locator("#set-top_p-wrong").innerText(), /temperature above 0/);
  await page.keyboard.press("Escape");
  await send(page, "hello");
  await until(() => gateway.asked.length, 1);
  assert.equal("top_p" in gateway.asked[0], false);
});

pageTest(
  "colours follow the system, or the choice, which is kept",
  async ({ page }) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground();
    assert.notEqual(light, dark);
    const toggle = page.getByRole("button", { name: /^Colours/ });
    await toggle.click();
    assert.equal(await ground(), light);
    await toggle.click();
    assert.equal(await toggle.getAttribute("aria-label"), "Colours: dark");
    assert.equal(await ground(), dark);
    await page.reload();
    assert.equal(await ground(), dark);
  },
  { colorScheme: "dark" },
);

pageTest("everything can be reached by keyboard, in order", async ({ page }) => {
  const skip = page.getByRole("link", { name: "Skip to the message" });
  assert.equal(
    await page.evaluate(() => document.querySelector("a, button, input, textarea, [tabindex]").id),
    "skip",
    "it comes first",
  );
  await skip.focus();
  assert.ok((await skip.boundingBox()).y >= 0, "it shows when it has the focus");
  await skip.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "message");
  await send(page, "many");
  await page.locator('.turn[data-state="done"]').waitFor();
  const names = [];
  await page.locator("#tools button").first().focus();
  for (let n = 0; n < 40; n += 1) {
    names.push(
      await page.evaluate(() => {
        const node = document.activeElement;
        const style = getComputedStyle(node);
        if (!node.matches("textarea") && (style.outlineStyle === "none" || style.outlineWidth === "0px"))
          throw new Error(`no visible focus: ${node.outerHTML}`);
        return node.getAttribute("aria-label") ?? node.querySelector("img")?.alt ?? node.textContent;
      }),
    );
    if (names.at(-1) === "Message") break;
    await page.keyboard.press("Tab");
  }
  const wanted = [
    "Pictures",
    "Settings",
    "Colours: as the system",
    "New dialogue",
    "drawing number 1",
    "Copy the trace id",
    "Edit this message and branch off",
    "Take this turn back",
    "Add pictures",
    "Message",
  ];
  assert.deepEqual(
    names.filter((name) => wanted.includes(name)),
    wanted,
  );
});

pageTest("screen readers are told whole answers, not tokens", async ({ page, gateway }) => {
  await page.evaluate(() => {
    window.told = [];
    new MutationObserver(() => window.told.push(document.getElementById("status").textContent)).observe(
      document.getElementById("status"),
      { childList: true },
    );
  });
  await send(page, "late");
  await page.getByText("so it flew").waitFor();
  gateway.open();
  await page.locator("button.picture").waitFor();
  gateway.open();
  await page.locator('.turn[data-state="done"]').waitFor();
  await until(
    () => page.evaluate(() => window.told),
    ["Answering …", "Rocket 🚀 here: and so it flew. The end. Pictures: drawing number 7."],
  );
  assert.equal(await page.getByRole("log").getAttribute("aria-live"), "off");
  const unnamed = await page
    .locator("button, input, textarea, select, img:not([alt])")
    .evaluateAll((all) =>
      all
        .filter(
          (node) =>
            node.matches("img") ||
            !(
              node.getAttribute("aria-label") ||
              node.labels?.length ||
              node.textContent.trim() ||
              node.querySelector("img[alt]")
            ),
        )
        .map((node) => node.outerHTML),
    );
  assert.deepEqual(unnamed, []);
});

for (const width of [360, 768, 1400]) {
  pageTest(
    `nothing goes beyond a page of ${width} pixels`,
    async ({ page }) => {
      await send(page, `many ${"verylongword".repeat(20)}`);
      const turn = page.locator('.turn[data-state="done"]');
      await turn.waitFor();
      await turn.locator("summary").click();
      const over = () =>
        page.evaluate(() =>
          [...document.querySelectorAll("body *")]
            .filter(
              (node) =>
                !node.closest(".table, svg, .unseen, nav span, .skip") && node.getBoundingClientRect().right > innerWidth + 0.5,
            )
            .map((node) => node.className || node.tagName),
        );
      assert.deepEqual(await over(), []);
      await page.locator("#tools button").first().click();
      await page.getByRole("searchbox").fill("x");
      await page.keyboard.press("Enter");
      await page.getByRole("listitem").first().waitFor();
      assert.deepEqual(await over(), []);
      await page.keyboard.press("Escape");
      await open(page);
      assert.deepEqual(await over(), []);
    },
    { viewport: { width, height: 700 } },
  );
}
