// Which addresses may be shown and opened. The page loads pictures of its own origin alone; others are links.

/**
 * The address, if a browser may go there: http and https alone, so that no data can run as a script.
 * @param {string} url
 * @returns {URL | null}
 */
export function openable(url) {
  try {
    const address = new URL(url, location.href);
    return ["http:", "https:"].includes(address.protocol) ? address : null;
  } catch {
    return null;
  }
}

/** Whether a picture can be shown here. @param {string} url */
export function showable(url) {
  return openable(url)?.origin === location.origin;
}
