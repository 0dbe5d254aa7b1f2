/**
 * Two names change places in one step. Linux has `renameat2` for that since 3.15, macOS `renamex_np` since 10.12. The
 * file system module of Node has neither, so the C library is asked: Bun can always do that, Node since version 26.
 */

type Type = 'int' | 'path' | 'uint';
/** A function of the C library that takes arguments of these types, and returns an `int`. */
type Find = (name: string, types: readonly Type[]) => (...given: readonly (number | string)[]) => number;
/** 0: done. */
type Swap = (from: string, to: string) => number;

const AT_FDCWD = -100;
/** On both systems. */
const EXCHANGE = 2;

let swap: Swap | undefined;

/** @returns false if nothing happened: one of them is not there, or it cannot be done here */
export function exchange(from: string, to: string): boolean {
  swap ??= findSwap();
  return swap(from, to) === 0;
}

function findSwap(): Swap {
  try {
    const find = findInBun() ?? findInNode();
    if (process.platform === 'darwin') {
      const renamex = find('renamex_np', ['path', 'path', 'uint']);
      return (from, to) => renamex(from, to, EXCHANGE);
    }
    const rename = find('renameat2', ['int', 'path', 'int', 'path', 'uint']);
    return (from, to) => rename(AT_FDCWD, from, AT_FDCWD, to, EXCHANGE);
  } catch {
    return () => -1;
  }
}

function findInNode(): Find {
  const ffi = process.getBuiltinModule('node:ffi');
  const names = { int: 'int32', path: 'string', uint: 'uint32' } as const;
  return (name, types) => {
    const signature = { arguments: types.map((type) => names[type]), return: 'int32' } as const;
    const found = ffi.dlopen(null, { [name]: signature }).functions[name];
    if (found === undefined) throw new Error(`There is no ${name}.`);
    return (...given) => Number(found(...given));
  };
}

interface BunFfi {
  dlopen(
    library: string,
    functions: object,
  ): { readonly symbols: Readonly<Record<string, (...given: unknown[]) => number>> };
}

function findInBun(): Find | undefined {
  const ffi = process.getBuiltinModule('bun:ffi') as BunFfi | undefined;
  if (ffi === undefined) return undefined;
  const names = { int: 'i32', path: 'cstring', uint: 'u32' } as const;
  const library = process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6';
  return (name, types) => {
    const signature = { args: types.map((type) => names[type]), returns: 'i32' };
    const found = ffi.dlopen(library, { [name]: signature }).symbols[name];
    if (found === undefined) throw new Error(`There is no ${name}.`);
    return (...given) => found(...given.map((one) => (typeof one === 'string' ? Buffer.from(`${one}\0`) : one)));
  };
}
