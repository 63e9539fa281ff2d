// A test of the page: a stand-in and a fresh browser profile of its own; the page may complain of nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, visit } from "./browser.mjs";
import { StandIn } from "./stand_in.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

/**
 * @param {string} name
 * @param {(all: {page: import("playwright-core").Page, gateway: StandIn, context: import("playwright-core").BrowserContext}) => Promise<void>} check
 * @param {object} [options] Of the browser's context; `facts` are the gateway's, and the `key` that it asks for.
 */
export function pageTest(name, check, { facts, key = null, ...options } = {}) {
  test(name, { timeout: 60_000 }, async () => {
    const gateway = await StandIn.start();
    Object.assign(gateway.facts, facts);
    gateway.key = key;
    let context;
    try {
      const visited = await visit(browser, gateway.url, options);
      context = visited.context;
      await check({ ...visited, gateway });
      assert.deepEqual(visited.complaints, []);
    } finally {
      await context?.close();
      await gateway.stop();
    }
  });
}

/** Waits until `read` gives what is wanted. */
export async function until(read, wanted, what = "") {
  let last;
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    last = await read();
    try {
      return assert.deepEqual(last, wanted);
    } catch {
      // Not yet.
    }
  }
  assert.deepEqual(last, wanted, what || undefined);
}

/** What an answer shows, in order: texts as they are, pictures as their captions in brackets. */
export const shown = (turn) =>
  turn.locator(".body").evaluate((body) =>
    [...body.children].flatMap((child) => {
      if (child.classList.contains("run")) return [child.textContent];
      if (child.classList.contains("row"))
        return [...child.children].map((each) => `[${each.querySelector("figcaption")?.textContent ?? each.textContent}]`);
      return [];
    }),
  );

/** The answers' texts that are on the page. */
export const answers = (page) => page.locator(".turn .body").allInnerTexts();
/** The messages that are on the page. */
export const messages = (page) => page.locator(".turn .said").allInnerTexts();
