// A picture that a vision tower can make something of: a red disc on white, as PNG.

import { deflateSync } from "node:zlib";

const SIZE = 96;

/** @param {string} kind @param {Buffer} data */
function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(checksum(body));
  return Buffer.concat([length, body, sum]);
}

/** CRC-32, bit by bit. @param {Buffer} bytes */
function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}

function drawn() {
  const rows = Buffer.alloc(SIZE * (1 + SIZE * 3), 255);
  for (let y = 0; y < SIZE; y += 1) {
    const row = y * (1 + SIZE * 3);
    rows[row] = 0;
    for (let x = 0; x < SIZE; x += 1) {
      if (Math.hypot(x - SIZE / 2, y - SIZE / 2) < SIZE / 3) rows.set([220, 30, 30], row + 1 + x * 3);
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(SIZE, 0);
  head.writeUInt32BE(SIZE, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

export const PICTURE = drawn();
