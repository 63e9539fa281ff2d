// The key that a gateway may ask for: kept as long as this tab, sent with every call. Pure but for what it is given.

const NAME = "fondue-key";

/**
 * @typedef {object} Keyring
 * @property {() => boolean} has Whether there is a key.
 * @property {(path: string, init?: RequestInit) => Promise<Response>} fetch As the browser's, with the key. When the gateway does not know
 *   who calls, the user is asked, and the call made again; if they give none, its answer stays the refusal.
 */

/**
 * @param {Pick<Storage, "getItem" | "setItem">} storage
 * @param {(path: string, init: RequestInit) => Promise<Response>} fetch
 * @param {(wasWrong: boolean) => Promise<string | null>} ask
 * @returns {Keyring}
 */
export function keyring(storage, fetch, ask) {
  /** @type {Promise<string | null> | null} One question for all calls that need its answer. */
  let asking = null;

  /** @param {boolean} wasWrong */
  const asked = async (wasWrong) => {
    asking ??= ask(wasWrong).finally(() => (asking = null));
    const key = await asking;
    if (key !== null) storage.setItem(NAME, key);
    return key;
  };

  return {
    has: () => storage.getItem(NAME) !== null,
    async fetch(path, init = {}) {
      for (;;) {
        const key = storage.getItem(NAME);
        const headers = { ...init.headers, ...(key !== null && { authorization: `Bearer ${key}` }) };
        const response = await fetch(path, { ...init, headers });
        if (response.status !== 401) return response;
        // Another call may have got a key meanwhile.
        if (storage.getItem(NAME) !== key) continue;
        if ((await asked(key !== null)) === null) return response;
      }
    },
  };
}
