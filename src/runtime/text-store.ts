/** Texts that a mirror of this `up` handed in or read a moment ago: the others then need not ask the server. */
export interface TextStore {
  /** @returns the text, from here or by `fetch`, which runs once for all who ask for the same at a time */
  read(digest: string, fetch: () => Promise<Uint8Array>): Promise<Uint8Array>;
  add(digest: string, bytes: Uint8Array): void;
}

/** @param limitBytes what was not asked for the longest goes first */
export function createTextStore(limitBytes: number): TextStore {
  const texts = new Map<string, Uint8Array>();
  const coming = new Map<string, Promise<Uint8Array>>();
  let size = 0;

  function remove(digest: string): void {
    size -= texts.get(digest)?.length ?? 0;
    texts.delete(digest);
  }

  function add(digest: string, bytes: Uint8Array): void {
    remove(digest);
    texts.set(digest, bytes);
    size += bytes.length;
    for (const oldest of texts.keys()) {
      if (size <= limitBytes) break;
      remove(oldest);
    }
  }

  async function load(digest: string, fetch: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const fetching = fetch();
    coming.set(digest, fetching);
    try {
      const bytes = await fetching;
      add(digest, bytes);
      return bytes;
    } finally {
      coming.delete(digest);
    }
  }

  return {
    async read(digest, fetch) {
      const known = texts.get(digest);
      if (known !== undefined) {
        add(digest, known);
        return known;
      }
      const theirs = coming.get(digest);
      if (theirs === undefined) return await load(digest, fetch);
      // Who fetches may be refused what the next one may have.
      return await theirs.catch(fetch);
    },
    add,
  };
}
