import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { main: 'src/main.ts' },
  format: 'esm',
  platform: 'node',
  target: 'node22.22',
  splitting: true,
  sourcemap: true,
  clean: true,
  minify: false,
  // `sqlite` without `node:` is an npm package.
  removeNodeProtocol: false,
});
