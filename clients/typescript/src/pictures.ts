/** Pictures to show, from wherever they are; and what counts as a part of a turn. */

/** How a picture is brought to the vision tower's square: `crop` keeps its shape, `squash` its whole area. */
export type Fit = "crop" | "squash";

/**
 * Where a picture is: a Blob or File, the bytes of its file, or a URL. The gateway fetches `http:` and `https:`, if its operator
 * allows the host; `data:` and `blob:` are read here, and `file:` is in Node.js.
 */
export type Source = Blob | Uint8Array | ArrayBuffer | URL;

/** A picture with the way in which it is fitted. */
export interface Picture {
  picture: Source;
  /** Default: the server's choice, which is `crop` but in the published behaviour. */
  fit?: Fit;
}

/** A part of what is said: a string is text, in which `[RET]` is the retrieval token; all else is a picture. */
export type Part = string | Source | Picture;

/** Reads what a `file:` URL names. */
export type ReadFile = (file: URL) => Promise<Uint8Array>;

/** The bytes of a picture, or the URL that the gateway is to fetch. Rejects with a `TypeError` for what is no picture. */
export async function read(source: Source, readFile: ReadFile): Promise<{ data: Uint8Array } | { url: string }> {
  if (source instanceof Blob) {
    return { data: new Uint8Array(await source.arrayBuffer()) };
  }
  if (source instanceof Uint8Array) {
    return { data: source };
  }
  if (source instanceof ArrayBuffer) {
    return { data: new Uint8Array(source) };
  }
  if (!(source instanceof URL)) {
    throw new TypeError("a part is a text or a picture: a Blob, bytes or a URL");
  }
  switch (source.protocol) {
    case "file:":
      return { data: await readFile(source) };
    case "data:":
    case "blob:":
      return { data: new Uint8Array(await (await fetch(source)).arrayBuffer()) };
    default:
      return { url: source.href };
  }
}
