/** Texts that a mirror of this `up` handed in or read a moment ago: the others then need not ask the server. */
export interface TextStore {
  get(digest: string): Uint8Array | undefined;
  add(digest: string, bytes: Uint8Array): void;
}

/** @param limitBytes what was not asked for the longest goes first */
export function createTextStore(limitBytes: number): TextStore {
  const texts = new Map<string, Uint8Array>();
  let size = 0;
  const remove = (digest: string) => {
    size -= texts.get(digest)?.length ?? 0;
    texts.delete(digest);
  };
  const add = (digest: string, bytes: Uint8Array) => {
    remove(digest);
    texts.set(digest, bytes);
    size += bytes.length;
    for (const oldest of texts.keys()) {
      if (size <= limitBytes) break;
      remove(oldest);
    }
  };
  return {
    get(digest) {
      const bytes = texts.get(digest);
      if (bytes !== undefined) add(digest, bytes);
      return bytes;
    },
    add,
  };
}
