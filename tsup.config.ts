import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    main: 'src/main.ts',
    'scripted-agent': 'src/scripted-agent.ts',
    reaper: 'src/reaper.ts',
    executable: 'src/executable.ts',
  },
  format: 'esm',
  platform: 'node',
  target: 'node22.22',
  splitting: true,
  sourcemap: true,
  clean: true,
  minify: false,
  // `sqlite` without `node:` is an npm package.
  removeNodeProtocol: false,
  // Hundreds of small files of packages cost more than half of a short command's time.
  noExternal: [/.*/],
  esbuildPlugins: [
    {
      // Packages try these, and do without. Left to be looked for at run time, the single executable would load them
      // from the folder that it is started in, whoever put them there.
      name: 'nothing-found-at-run-time',
      setup(build) {
        const filter = /^(bufferutil|utf-8-validate|pg-native|pg-cloudflare|supports-color)$/;
        build.onResolve({ filter }, ({ path }) => ({ path, namespace: 'absent' }));
        build.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({
          contents: `throw Object.assign(new Error('${path} is not part of aachat'), { code: 'MODULE_NOT_FOUND' });`,
        }));
      },
    },
    {
      // zod brings its sentences in fifty languages; they would be loaded, and this program speaks one.
      name: 'one-language',
      setup(build) {
        const contents = "export { default as en } from './en.js';";
        build.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents }));
      },
    },
  ],
  // Packages in the older module format ask for these names.
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      "import { fileURLToPath as __fileURLToPath } from 'node:url';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __fileURLToPath(import.meta.url);',
      "const __dirname = __fileURLToPath(new URL('.', import.meta.url));",
    ].join('\n'),
  },
});
