// Server-sent events out of chunks of bytes that end anywhere: inside a line, between CR and LF, inside a character.

/**
 * The `data` of each event of a stream, in order. An event that the stream's end cuts off is dropped, as the standard says.
 * @param {AsyncIterable<Uint8Array>} chunks
 * @returns {AsyncGenerator<string>}
 */
export async function* events(chunks) {
  const decoder = new TextDecoder();
  let [rest, data, endsWithCr] = ["", /** @type {string[]} */ ([]), false];
  for await (const chunk of chunks) {
    let text = decoder.decode(chunk, { stream: true });
    if (text === "") continue;
    // The CR ended its line already; this LF is its other half.
    if (endsWithCr && text.startsWith("\n")) text = text.slice(1);
    endsWithCr = text === "" ? false : text.endsWith("\r");
    const lines = (rest + text).split(/\r\n|\r|\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
      } else if (line === "data" || line.startsWith("data:")) {
        data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  }
}

/**
 * The chunks of a response's body. Leaving the loop early gives the stream up.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<Uint8Array>}
 */
export async function* chunksOf(body) {
  const reader = body.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    // Not awaited: a stream that failed already would fail here again.
    if (!ended) reader.cancel().catch(() => {});
  }
}
