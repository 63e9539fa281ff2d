/** What both platforms export. */

export { type ClientOptions, DEFAULT_URL, type ReplyOptions } from "./client.js";
export type { Conversation } from "./conversation.js";
export type { Dialogue } from "./dialogue.js";
export {
  BrokenStream,
  Busy,
  Cancelled,
  Code,
  DeadlineExceeded,
  FondueError,
  InvalidRequest,
  TurnFailed,
  Unavailable,
  Unsupported,
  type Violation,
} from "./errors.js";
export * from "./events.js";
export type * from "./history.js";
export type * from "./options.js";
export type { Fit, Part, Picture, Source } from "./pictures.js";
export type { Reply } from "./reply.js";
export type { Parts } from "./requests.js";
