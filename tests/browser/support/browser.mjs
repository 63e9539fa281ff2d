// A real Chromium without a window, from the system.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  if (!executablePath) throw new Error("no Chromium was found; name it in CHROMIUM");
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}

/**
 * A fresh profile on the page at `url`, ready. Whatever the page's console complains of fails the test by `complaints`.
 * @param {import("playwright-core").Browser} browser
 */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // A failed request is told by the page itself.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.setDefaultTimeout(10_000);
  await page.goto(url);
  await page.locator("html[data-ready]").waitFor();
  return { page, context, complaints };
}

/** Writes a message and sends it. */
export async function send(page, text) {
  await page.locator("#message").fill(text);
  await page.locator("#message").press("Enter");
}
