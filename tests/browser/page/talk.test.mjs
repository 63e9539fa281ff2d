// A turn: text and pictures as they come, what it took, how it is stopped.

import assert from "node:assert/strict";
import { send } from "../support/browser.mjs";
import { pageTest, shown, until } from "../support/fixture.mjs";
import { TRACE } from "../support/stand_in.mjs";

pageTest("a picture that comes after later text stands where it belongs", async ({ page, gateway }) => {
  await send(page, "late please");
  const turn = page.locator(".turn");
  await until(() => shown(turn), ["Rocket 🚀 here: and so it flew."]);
  gateway.open();
  await until(() => shown(turn), ["Rocket 🚀 here:", "[drawing number 7]", "and so it flew."]);
  const image = turn.locator("img");
  await image.evaluate((node) => (node.dataset.kept = "yes"));
  assert.equal(await image.getAttribute("alt"), "drawing number 7");
  gateway.open();
  await until(() => shown(turn), ["Rocket 🚀 here:", "[drawing number 7]", "and so it flew. The end."]);
  assert.equal(await image.getAttribute("data-kept"), "yes", "the picture was made anew");
  await until(() => turn.getAttribute("data-state"), "done");
  assert.equal(await page.locator(".caret").count(), 0);
});

pageTest("what is not there is told in its place", async ({ page }) => {
  await send(page, "many");
  const turn = page.locator('.turn[data-state="done"]');
  await turn.waitFor();
  assert.deepEqual(await shown(turn), [
    "Here is what I found for you, best first.",
    "[drawing number 1]",
    "[drawing number 2]",
    "Another was not to be had,",
    "[No picture here. No picture is left that was not shown already.]",
    "and one lies elsewhere",
    "[drawing number 3]",
    "[drawing number 404]",
    ".",
  ]);
  // Nothing is loaded from elsewhere, and what cannot be loaded says so.
  const frames = turn.locator(".found");
  assert.match(await frames.nth(2).innerText(), /pictures\.example/);
  await until(async () => (await frames.nth(3).innerText()).includes("cannot be shown"), true);
});

pageTest("a turn tells what it took, where its time went, and what was cut", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await send(page, "many");
  const turn = page.locator('.turn[data-state="done"]');
  await turn.waitFor();
  assert.match(await turn.locator(".cut").innerText(), /oldest 3 turns did not fit its 2048 positions/);
  assert.match(await turn.locator(".facts").innerText(), /21 tokens in \(8 cached\), 17 out/);
  assert.match(await turn.locator(".meta").innerText(), /Ended at the most tokens/);
  const strip = turn.locator("svg.strip");
  assert.match(
    await strip.getAttribute("aria-label"),
    /^Took 560 ms: seeing pictures 42 ms, waiting 3\.2 ms, .* search 2 25 ms$/,
  );
  const bars = await strip
    .locator("rect:not(.mark)")
    .evaluateAll((all) =>
      all.map((bar) => [bar.getAttribute("class"), bar.getBoundingClientRect().left, bar.getBoundingClientRect().right]),
    );
  assert.deepEqual(
    bars.map(([name]) => name),
    ["bar-vision", "bar-queue", "bar-prefill", "bar-decode", "bar-search", "bar-search"],
  );
  const decode = bars[3];
  for (const [, left, right] of bars.slice(4)) assert.ok(left > decode[1] && right < decode[2], "a search runs beside decoding");
  await turn.locator("summary").press("Enter");
  assert.equal(await turn.getByRole("row").count(), 7);
  assert.match(await turn.getByRole("row", { name: /Search 1/ }).innerText(), /210 ms\s+70 ms/);
  await turn.getByRole("button", { name: "Copy the trace id" }).click();
  await until(() => page.evaluate(() => navigator.clipboard.readText()), TRACE);
  assert.equal(await turn.locator(".trace a").count(), 0);
});

pageTest(
  "a trace can be opened where the gateway tells a place",
  async ({ page }) => {
    await send(page, "hello");
    const link = page.locator(".trace a");
    assert.equal(await link.getAttribute("href"), `http://traces.example/trace/${TRACE}`);
    assert.match(await link.getAttribute("rel"), /noopener/);
  },
  { facts: { trace_url: "http://traces.example/trace/{trace_id}" } },
);

for (const [way, stop] of [
  ["its button", (page) => page.getByRole("button", { name: /^Stop/ }).click()],
  ["Esc", (page) => page.keyboard.press("Escape")],
]) {
  pageTest(`${way} stops an answer, and what came of it stays`, async ({ page, gateway }) => {
    await send(page, "slow story");
    await until(() => page.locator(".run").last().textContent(), "Once upon a time");
    await stop(page);
    const turn = page.locator('.turn[data-state="stopped"]');
    await turn.waitFor();
    assert.match(await turn.innerText(), /Once upon a time[\s\S]*Stopped before its end/);
    await until(() => gateway.left, 1, "the gateway was not told");
    await until(() => page.evaluate(() => document.activeElement.id), "message");
    // What was said is part of the dialogue.
    await send(page, "hello");
    await page.locator('.turn[data-state="done"]').waitFor();
    assert.deepEqual(
      gateway.asked[1].messages.map((each) => each.role),
      ["user", "assistant", "user"],
    );
    assert.equal(gateway.asked[1].messages[1].content, "Once upon a time");
    assert.equal("fondue" in gateway.asked[1].messages[1], false);
  });
}

pageTest("an answer that was stopped before it said anything is no part of the dialogue", async ({ page, gateway }) => {
  await send(page, "silent");
  await until(() => gateway.asked.length, 1);
  await page.keyboard.press("Escape");
  await page.locator('.turn[data-state="stopped"]').waitFor();
  await send(page, "hello");
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.equal(gateway.asked[1].messages.length, 1);
});

pageTest("data never becomes markup", async ({ page }) => {
  await send(page, "markup <b>bold</b>");
  await page.locator('.turn[data-state="done"]').waitFor();
  assert.match(await page.locator(".said").innerText(), /<b>bold<\/b>/);
  assert.match(await page.locator(".body").innerText(), /onerror="document\.title=1"> \*\*stars\*\*/);
  await page.locator("button.picture").click();
  assert.equal(await page.getByRole("dialog").getByText("Open", { exact: true }).count(), 0, "a script is no link");
  assert.equal(await page.title(), "Fondue");
  assert.equal(await page.locator(".turn script, .turn .body img").count(), 0);
});

pageTest("a picture opens large, with what is known of it, and can be asked about", async ({ page, gateway }) => {
  await send(page, "many");
  await page.locator("button.picture").first().click();
  const dialog = page.getByRole("dialog", { name: "drawing number 1" });
  await dialog.waitFor();
  const words = await dialog.innerText();
  for (const word of ["0.905", "drawing-1", "g-0001", "image/png"]) assert.ok(words.includes(word), word);
  assert.equal(
    await dialog.getByRole("link", { name: "Open" }).getAttribute("href"),
    `${gateway.url}/v1/images/g-0001/drawing-1`,
  );
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.className), "picture", "the focus goes back");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Ask about this" }).click();
  await page.locator(".thumb").waitFor();
  await send(page, "What is it?");
  await until(() => gateway.asked.length, 2);
  assert.deepEqual(gateway.asked[1].messages.at(-1).content, [
    { type: "image_url", image_url: { url: "/v1/images/g-0001/drawing-1" } },
    { type: "text", text: "What is it?" },
  ]);
});
