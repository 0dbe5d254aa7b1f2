/** Which request of an agent a key answers: the one that the person sees, and not the one that just took its place. */
import type { PendingPermission } from '#contract/control.ts';

/** Within this time nobody has read that it is another request. */
const READ_MS = 500;

export interface Front {
  /** This one stands before the person now; undefined: none does. */
  show(permission: PendingPermission | undefined): void;
  /** The one that is answered; `too soon` while the person may still mean the one before it. */
  take(): PendingPermission | 'none' | 'too soon';
}

export function createFront(): Front {
  let front: PendingPermission | undefined;
  let changedAt = Number.NEGATIVE_INFINITY;
  const show = (next: PendingPermission | undefined): void => {
    if (next?.id === front?.id) return;
    if (front !== undefined) changedAt = performance.now();
    front = next;
  };
  return {
    show,
    take() {
      if (front === undefined) return 'none';
      if (performance.now() - changedAt < READ_MS) return 'too soon';
      const taken = front;
      show(undefined);
      return taken;
    },
  };
}
