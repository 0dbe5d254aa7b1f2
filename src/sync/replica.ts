/**
 * What a mirror needs of the server, in words of sync. A path is `team/project/kind/name.md`, with `/` on every system;
 * a digest is the SHA-256 of the bytes, in hex.
 */

export interface RemoteDocument {
  readonly path: string;
  /** Grows with every change; the greater one is the newer one. */
  readonly version: number;
  /** null: deleted (a tombstone). */
  readonly digest: string | null;
}

/** A text that was kept aside, until somebody settles it. */
export interface RemoteConflict {
  /** Of the document. */
  readonly path: string;
  readonly number: number;
  readonly who: string;
  readonly digest: string;
}

/** Everything that may be read: living documents, tombstones, and open conflicts. */
export interface Listing {
  readonly documents: readonly RemoteDocument[];
  readonly conflicts: readonly RemoteConflict[];
}

/** Something that changed on the server, from whoever hears of it first. */
export type RemoteChange =
  | { readonly document: RemoteDocument }
  | { readonly conflict: RemoteConflict; readonly isSettled: boolean };

export interface Submission {
  readonly path: string;
  /** Chosen by the mirror; the same one again is the same submission and gets the same answer. */
  readonly opId: string;
  /** What the edit began from; null: from nothing. */
  readonly baseDigest: string | null;
  /** null: delete. */
  readonly bytes: Uint8Array | null;
}

export interface Accepted {
  /** As it is afterwards. */
  readonly document: RemoteDocument;
  /** `kept`: a deletion lost against an edit that it had not seen. */
  readonly outcome: 'unchanged' | 'accepted' | 'merged' | 'overlap' | 'kept';
  /** Where the submission was kept aside, if it was. */
  readonly conflict?: RemoteConflict;
}

export interface Settlement {
  readonly path: string;
  readonly number: number;
  readonly opId: string;
  /** What was saved over the conflict's file; null: it was deleted. */
  readonly bytes: Uint8Array | null;
}

/**
 * Throws `AachatError`: `FORBIDDEN`, `VALIDATION_ERROR` and `NOT_FOUND` are final for that text; `SERVER_UNREACHABLE`
 * and the like are not.
 */
export interface Replica {
  list(): Promise<Listing>;
  /** @returns bytes of that digest, which the document has or had, or which a conflict keeps */
  read(path: string, digest: string): Promise<Uint8Array>;
  push(submission: Submission): Promise<Accepted>;
  settle(settlement: Settlement): Promise<void>;
}
