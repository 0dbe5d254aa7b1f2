/** What this program itself runs on, a Node or the engine inside its single executable, and what else it can run. */
export interface Engine {
  /** How to start this program again, as `aachat`. */
  readonly self: Command;
  /** How to start the built-in agent. */
  readonly scripted: Command;
  /** How to run a JavaScript file. */
  readonly module: Command;
  /** Where packages beside this program are looked for; undefined: it stands alone, and nothing beside it counts. */
  readonly root: string | undefined;
}

export type Command = readonly [file: string, ...args: string[]];
