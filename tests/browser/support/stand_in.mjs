// A stand-in for the gateway: serves the page and speaks its HTTP contract from scripts, so that tests can make happen what
// real services seldom do. Each message's text names its script; `gate.open()` lets a script go on.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";

const WEB = new URL("../../../gateway/web/", import.meta.url);
const KINDS = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

export const TRACE = "0af7651916cd43dd8448eb211c80319c";

/** A drawing of the index. */
const drawing = (n) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 ${n % 3 === 0 ? 80 : 120}"><rect width="120" height="120" fill="hsl(${(n * 47) % 360} 55% 82%)"/>` +
  `<circle cx="60" cy="${n % 3 === 0 ? 40 : 60}" r="${18 + (n % 5) * 4}" fill="hsl(${(n * 47 + 150) % 360} 60% 48%)"/></svg>`;

export const picture = (n, more = {}) => ({
  id: `drawing-${n}`,
  generation: "g-0001",
  index: "",
  score: 0.91 - n / 200,
  caption: `drawing number ${n}`,
  media_type: "image/png",
  url: `/v1/images/g-0001/drawing-${n}`,
  text_offset: 0,
  ret_index: 0,
  rank: 0,
  ...more,
});

export const TIMINGS = {
  fetch_ms: 0,
  vision_ms: 41.5,
  queue_ms: 3.2,
  prefill_ms: 88,
  first_token_ms: 136,
  first_text_ms: 139,
  decode_ms: 420,
  search_ms: 95,
  total_ms: 560,
  searches: [
    { ret_index: 0, start_ms: 210, end_ms: 280 },
    { ret_index: 1, start_ms: 400, end_ms: 425 },
  ],
};

export class StandIn {
  /** Bodies of the chat requests, oldest first. */
  asked = [];
  /** Bodies of the searches. */
  searched = [];
  /** The key that it asks for, if any. */
  key = null;
  /** Chat requests whose client went away. */
  left = 0;
  facts = {
    version: "0.1.0",
    models: ["fondue"],
    indexes: [{ name: "", generation: "g-0001", rows: 64 }],
    limits: { max_tokens: 512, max_images: 32, max_images_per_ret: 16, message_bytes: 33554432, images_per_turn: 4 },
    defaults: { max_tokens: 64, max_images: 2, temperature: 0, top_p: 1, ret_bias: 0, max_images_per_ret: 1 },
  };
  #gates = [];
  #server = createServer((request, response) => {
    this.#serve(request, response).catch((error) => response.destroy(error));
  });

  static async start() {
    const self = new StandIn();
    await new Promise((resolve) => self.#server.listen(0, "127.0.0.1", resolve));
    self.url = `http://127.0.0.1:${self.#server.address().port}`;
    return self;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Lets the script that waits go on. */
  open() {
    this.#gates.shift()?.();
  }

  #gate(response) {
    return new Promise((resolve) => {
      this.#gates.push(resolve);
      response.on("close", resolve);
    });
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.url);
    const path = url.pathname;
    if (path === "/" || path.startsWith("/assets/")) return this.#file(path === "/" ? "index.html" : path.slice(8), response);
    if (this.key !== null && request.headers.authorization !== `Bearer ${this.key}`)
      return fail(response, 401, {
        message: "not valid here",
        type: "invalid_request_error",
        param: null,
        code: "invalid_api_key",
      });
    if (path === "/v1/fondue" && !this.facts)
      return fail(response, 503, { message: "down", type: "server_error", param: null, code: "unavailable" });
    if (path === "/v1/fondue") return json(response, 200, this.facts);
    if (path.startsWith("/v1/images/g-0001/")) {
      const n = Number(path.split("-").at(-1));
      if (n === 404)
        return fail(response, 404, { message: "no such picture", type: "invalid_request_error", param: null, code: null });
      response.writeHead(200, { "content-type": "image/svg+xml" });
      return response.end(drawing(n));
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    if (path === "/v1/images/search") {
      this.searched.push(body);
      if (body.input === "break")
        return fail(response, 503, { message: "retrieval is down", type: "server_error", param: null, code: "unavailable" });
      const n = body.input === "nothing" ? 0 : Math.min(body.k, 64);
      return json(response, 200, {
        object: "list",
        data: Array.from({ length: n }, (_, at) => picture(at)),
        fondue: { trace_id: TRACE },
      });
    }
    if (path === "/v1/chat/completions") return this.#chat(body, response);
    return fail(response, 404, { message: "no such path", type: "invalid_request_error", param: null, code: null });
  }

  async #file(name, response) {
    try {
      const bytes = await readFile(new URL(name, WEB));
      response.writeHead(200, {
        "content-type": KINDS[name.split(".").at(-1)],
        "content-security-policy": POLICY,
        "cache-control": "no-cache",
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  async #chat(body, response) {
    this.asked.push(body);
    const last = body.messages.at(-1).content;
    const text = last
      .filter((part) => part.type === "text")
      .map((part) => part.text)
      .join(" ");
    const script = SCRIPTS[text.split(" ")[0]] ?? SCRIPTS.say;
    let finished = false;
    response.on("close", () => {
      if (!finished) this.left += 1;
    });
    const turn = new Turn(response);
    await script({ turn, text, body, response, gate: () => this.#gate(response), nth: this.asked.length });
    finished = true;
  }
}

/** Writes one turn's stream. */
class Turn {
  text = "";
  transcript = "";
  ids = [];
  constructor(response) {
    this.response = response;
  }

  send(value) {
    if (!this.response.headersSent) {
      this.response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", "x-request-id": TRACE });
    }
    this.response.write(`data: ${JSON.stringify(value)}\n\n`);
  }

  chunk(delta, fondue, finish = null) {
    const choices = [{ index: 0, delta, finish_reason: finish, logprobs: null }];
    this.send({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "fondue",
      choices,
      ...(fondue && { fondue }),
    });
  }

  begin(history_cut = null) {
    this.chunk({ role: "assistant", content: "" }, { turn_id: "t-1", trace_id: TRACE, history_cut });
  }

  say(text) {
    this.text += text;
    this.transcript += text;
    this.chunk({ content: text });
  }

  find(image) {
    this.ids.push(image.id);
    this.transcript += "[RET]";
    this.chunk({ content: `\n![${image.caption}](${image.url}#ret=${image.ret_index}&at=${image.text_offset})\n` }, { image });
  }

  miss(unavailable) {
    this.chunk({}, { unavailable });
  }

  done({ finish_reason = "STOP", timings = TIMINGS, done = true } = {}) {
    const usage = { prompt_tokens: 21, generated_tokens: 17, cached_tokens: 8, images_in: 0, images_found: this.ids.length };
    const { text, transcript, ids: image_ids } = this;
    this.chunk(
      {},
      { text, transcript, image_ids, usage, timings, finish_reason },
      finish_reason === "LENGTH" ? "length" : "stop",
    );
    if (done) this.response.write("data: [DONE]\n\n");
    this.response.end();
  }
}

/** What happens, by the first word of the message. */
const SCRIPTS = {
  /** An answer that tells how many messages came. */
  say({ turn, text, body }) {
    turn.begin();
    turn.say(`You said “${text}”, `);
    turn.say(`after ${body.messages.length - 1} messages.`);
    turn.done();
  },
  /** A picture that comes after later text, behind a character beyond 16 bits. */
  async late({ turn, gate }) {
    turn.begin();
    turn.say("Rocket 🚀 here:");
    turn.say(" and so it flew.");
    await gate();
    turn.find(picture(7, { text_offset: 14 }));
    await gate();
    turn.say(" The end.");
    turn.done();
  },
  /** Several pictures, one that is not there, one that is known by its address alone, one that cannot be loaded. */
  many({ turn }) {
    turn.begin({ turns_left_out: 3, turns_kept: 2, max_positions: 2048 });
    turn.say("Here is what I found for you, best first.");
    turn.find(picture(1, { text_offset: 41 }));
    turn.find(picture(2, { text_offset: 41, rank: 1 }));
    turn.say("\nAnother was not to be had, and one lies elsewhere.");
    turn.miss({ text_offset: 68, ret_index: 1, reason: "NONE_LEFT", message: "no picture is left" });
    turn.find(picture(3, { text_offset: 91, ret_index: 2, url: "https://pictures.example/far.png", media_type: "" }));
    turn.find(picture(404, { text_offset: 91, ret_index: 3 }));
    turn.done({ finish_reason: "LENGTH" });
  },
  /** Text until the client goes away. */
  async slow({ turn, gate }) {
    turn.begin();
    turn.say("Once upon a time");
    await gate();
  },
  /** Only the beginning, until the client goes away. */
  async silent({ turn, gate }) {
    turn.begin();
    await gate();
  },
  /** Fails in mid-stream. */
  fails({ turn, response }) {
    turn.begin();
    turn.say("It begins well, ");
    turn.send({ error: { message: "the language service went away", type: "server_error", param: null, code: "unavailable" } });
    response.end();
  },
  /** Ends without its closing event. */
  cut({ turn, response }) {
    turn.begin();
    turn.say("Half an ans");
    response.end();
  },
  /** The connection breaks. */
  async breaks({ turn, response, gate }) {
    turn.begin();
    turn.say("Half an ans");
    await gate();
    response.destroy();
  },
  /** No room the first time. */
  busy({ turn, response, nth }) {
    if (nth > 1) return SCRIPTS.say({ turn, text: "busy", body: { messages: [{}] } });
    const error = { message: "no room now", type: "rate_limit_error", param: null, code: "rate_limited" };
    return fail(response, 429, error, { "retry-after": "2" });
  },
  /** A field at fault. */
  wrong({ response }) {
    return fail(response, 400, {
      message: "must lie between -100 and 100",
      type: "invalid_request_error",
      param: "fondue.ret_bias",
      code: "invalid_value",
    });
  },
  /** Markup that must stay text. */
  markup({ turn }) {
    turn.begin();
    turn.say('<img src=x onerror="document.title=1"> **stars**');
    turn.find(picture(5, { caption: '"><script>document.title=2</script>', text_offset: 4, url: "javascript:document.title=3" }));
    turn.done();
  },
};

function json(response, status, value, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

function fail(response, status, error, headers = {}) {
  json(response, status, { error }, { "x-request-id": TRACE, ...headers });
}
