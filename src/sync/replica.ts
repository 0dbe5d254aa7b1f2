/** What a mirror needs of the server, in words of sync. Paths are `team/project/kind/name.md`, with `/` everywhere. */

export interface RemoteDocument {
  readonly path: string;
  readonly version: number;
  /** SHA-256 of the bytes, in hex; null: deleted (a tombstone). */
  readonly digest: string | null;
}

/** A submission that was kept aside, shown as a file beside its document. */
export interface RemoteConflict {
  /** Of the document. */
  readonly path: string;
  /** Counts from 1 in each document. */
  readonly number: number;
  readonly who: string;
  readonly digest: string;
}

export interface Listing {
  /** Tombstones too: what is not listed may not be read any more. */
  readonly documents: readonly RemoteDocument[];
  readonly conflicts: readonly RemoteConflict[];
}

export interface Submission {
  readonly path: string;
  /** The same id is the same submission, however often it is handed in. */
  readonly opId: string;
  /** What the edit began from; null: nothing. */
  readonly baseDigest: string | null;
  /** null: delete. */
  readonly bytes: Uint8Array | null;
}

export interface Accepted {
  readonly document: RemoteDocument;
  /** `overlap`: a part was kept aside in `conflict`; `kept`: a delete that lost against an edit. */
  readonly outcome: 'unchanged' | 'accepted' | 'merged' | 'overlap' | 'kept';
  readonly conflict?: RemoteConflict;
}

export interface Replica {
  list(): Promise<Listing>;
  read(path: string, digest: string): Promise<Uint8Array>;
  /** @throws AachatError `FORBIDDEN`, `NOT_FOUND` and `VALIDATION_ERROR` are final, `SERVER_UNREACHABLE` is not */
  push(submission: Submission): Promise<Accepted>;
  /** @param conflict.bytes what was saved over the conflict's file; null: it was deleted */
  settle(conflict: {
    readonly path: string;
    readonly number: number;
    readonly opId: string;
    readonly bytes: Uint8Array | null;
  }): Promise<void>;
}
