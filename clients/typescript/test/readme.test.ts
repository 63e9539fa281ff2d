/** The README's examples run as they stand, but for the address, and end by themselves. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const address = process.env["FONDUE_ADDRESS"];
assert.ok(address, "set FONDUE_ADDRESS to the gateway of running services, for example 127.0.0.1:7400");
// Within the package, so that the package's own name leads to it.
const build = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!);

test("none is left out, and the quick start takes five lines", () => {
  assert.equal(examples.length, 3);
  assert.ok(examples[0]!.trim().split("\n").length <= 5);
});

const TREE = "Qk32AAAAAAAAADYAAAAoAAAACAAAAAgAAAABABgAAAAAAMAAAAATCwAAEwsAAAAAAAAAAAAA" + "AP8A".repeat(64);

examples.forEach((code, number) => {
  test(`example ${number + 1} runs`, { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(build, "example-"));
    try {
      await writeFile(join(folder, "tree.png"), Buffer.from(TREE, "base64"));
      assert.ok(code.includes("127.0.0.1:7400"));
      await writeFile(join(folder, "example.mjs"), code.replaceAll("127.0.0.1:7400", address));
      const { stdout } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
      assert.ok(stdout.trim());
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
