/** The client for browsers, and other platforms with fetch: gRPC-web. */

import { Code } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { BaseFondue, type ClientOptions, DEFAULT_URL } from "./client.js";
import { Unsupported } from "./errors.js";

export * from "./api.js";

/** A client of one gateway. `url`: its origin, for example `https://fondue.example`. */
export class Fondue extends BaseFondue {
  constructor(url: string | URL = DEFAULT_URL, options: ClientOptions = {}) {
    const transport = createGrpcWebTransport({ baseUrl: String(url).replace(/\/$/, "") });
    super(transport, () => Promise.reject(new TypeError("this platform has no files; use a File or a Blob")), options);
  }

  /** Throws `Unsupported`: browsers cannot stream requests. `dialogue` holds many turns with Reply. */
  override converse(): never {
    throw new Unsupported("browsers cannot stream requests; use dialogue() instead", Code.Unimplemented);
  }

  /** Nothing to close here; on other platforms there is. */
  close(): void {
    // fetch looks after its connections itself.
  }
}
