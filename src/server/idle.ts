/** Notices that nobody needs the server any more: no socket, no request, for a while. */

export interface IdleWatch {
  /** Counts from now on. */
  start(onIdle: () => void): void;
  /** A request has begun. @returns says that it ended; more than once is once */
  enter(): () => void;
  sockets(open: number): void;
  end(): void;
}

/** @param idleMs milliseconds without anybody; undefined: never idle */
export function createIdleWatch(idleMs: number | undefined): IdleWatch {
  let requests = 0;
  let sockets = 0;
  let timer: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;
  const look = () => {
    clearTimeout(timer);
    if (idleMs === undefined || onIdle === undefined || requests > 0 || sockets > 0) return;
    timer = setTimeout(onIdle, idleMs);
  };
  return {
    start(heard) {
      onIdle = heard;
      look();
    },
    enter() {
      requests += 1;
      look();
      let over = false;
      return () => {
        if (over) return;
        over = true;
        requests -= 1;
        look();
      };
    },
    sockets(open) {
      sockets = open;
      look();
    },
    end() {
      onIdle = undefined;
      clearTimeout(timer);
    },
  };
}
