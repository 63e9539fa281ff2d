/** The client for Node.js: gRPC over HTTP/2. */

import { readFile } from "node:fs/promises";
import type { SecureClientSessionOptions } from "node:http2";
import { pathToFileURL } from "node:url";

import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { BaseFondue, type ClientOptions, DEFAULT_URL } from "./client.js";
import { Conversation } from "./conversation.js";
import type { Opening } from "./history.js";
import type { Fit, Picture } from "./pictures.js";

export * from "./api.js";

/** Settings of a client in Node.js. */
export interface NodeOptions extends ClientOptions {
  /** TLS of an `https:` URL: `ca`, `key`, `cert` and whatever else Node.js takes. */
  tls?: SecureClientSessionOptions;
}

/** A picture file, for example `fromPath("cat.png")`; read when it is sent. */
export function fromPath(path: string, fit?: Fit): Picture {
  return fit ? { picture: pathToFileURL(path), fit } : { picture: pathToFileURL(path) };
}

/** A client of one gateway. `url`: its origin, for example `http://127.0.0.1:7400`. */
export class Fondue extends BaseFondue {
  readonly #sessions: Http2SessionManager;

  constructor(url: string | URL = DEFAULT_URL, options: NodeOptions = {}) {
    const baseUrl = String(url).replace(/\/$/, "");
    const sessions = new Http2SessionManager(baseUrl, {}, options.tls);
    super(createGrpcTransport({ baseUrl, sessionManager: sessions }), (file) => readFile(file), options);
    this.#sessions = sessions;
  }

  /** Opens a conversation of many turns over one stream, of which the server keeps the history. */
  override converse(opening: Opening = {}): Conversation {
    // A conversation lasts as long as it lasts: the calls' time is not for it.
    const call: ConstructorParameters<typeof Conversation>[1] = (sent, signal) =>
      this.service.converse(sent, { ...this.callOptions(signal), timeoutMs: 0 });
    return new Conversation(opening, call, this.readFile);
  }

  /** Closes the connection; calls that run end as unavailable or broken. */
  close(): void {
    this.#sessions.abort();
  }
}
