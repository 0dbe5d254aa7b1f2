/** What a mirror says about itself. */
export interface MirrorStatus {
  /** `in sync`: every file is as the server last said, but for `problems`. `stopped`: waits for `resume`. */
  readonly state: 'in sync' | 'syncing' | 'offline' | 'stopped';
  /** Why it is offline or stopped. */
  readonly reason?: string;
  readonly pending: readonly { readonly path: string; readonly why: string }[];
  readonly problems: readonly { readonly path: string; readonly reason: string }[];
  /** Documents that are not as the template of their folder asks; they are shared all the same. */
  readonly faults: readonly { readonly path: string; readonly reason: string }[];
  /** Files that show open conflicts. */
  readonly conflicts: readonly string[];
  /** Texts that had to give way since the start, and where they are now. */
  readonly kept: readonly { readonly path: string; readonly file: string }[];
  /** How a file is replaced. Only by exchange no save is ever lost in that moment; by link, none that is in place. */
  readonly replacesBy: 'exchange' | 'link' | 'copy';
  /** False: the system does not tell of every change, so all files are looked at every 5 s. */
  readonly isWatched: boolean;
}
