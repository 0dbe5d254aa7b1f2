/** A clock that stands still unless a test moves it: however long a step takes, nothing expires and nobody falls silent. */
export function movableClock() {
  let now = Date.now();
  return {
    clock: () => now,
    advance: (ms: number) => {
      now += ms;
    },
  };
}
