import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { TEMPLATES } from '#runtime/kinds.ts';
import fc from '../support/property.ts';

const word = fc.constantFrom(
  ...['type', 'properties', 'required', 'additionalProperties', 'enum', 'pattern', 'minLength', 'maximum', 'items'],
  ...[
    'format',
    '_aachat',
    'schema',
    'allowed_states',
    'template_policy',
    'status',
    'string',
    'object',
    'array',
    'date',
  ],
  ...['__proto__', 'constructor', '(a+)+$', 'a', '', '\n', '🤷'],
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    word,
    fc.constantFrom(null, true, 0, -1, 1.5, Number.NaN, Infinity),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(word, tie('value'), { maxKeys: 4 }),
  ),
}));
const front = fc.oneof(
  value.map((said) => `---\n${stringify(said)}---\n`),
  value.map((schema) => `---\n${stringify({ _aachat: { schema } })}---\n`),
  fc
    .string({ unit: fc.constantFrom(...'---\n: [{"&*!|>a0#%@`\t\r'), maxLength: 60 })
    .map((text) => `---\n${text}\n---\n`),
  fc.string({ unit: 'binary' }),
);

test('S32: whatever texts say, the answer is a list of lines', () => {
  fc.assert(
    fc.property(front, front, (template, document) => {
      const { faults, judge } = TEMPLATES.read(template);
      for (const fault of [...faults, ...judge(document)]) expect(fault).toMatch(/^[^\p{Cc}]+\.$/u);
    }),
    { numRuns: 3_000 },
  );
});

test.for([
  ['[', ']'],
  ['{a: ', '}'],
  ['- ', ''],
  ['? ', ''],
] as const)('S32: %s nested as deep as it can be is an answer too', ([open, close]) => {
  const text = (depth: number) => `---\nstatus: ${open.repeat(depth)}${close.repeat(depth)}\n---\n`;
  const template = TEMPLATES.read('---\n_aachat: {allowed_states: [open]}\n---\n');
  for (const depth of [100, 1_000, 3_000, 6_000]) {
    expect(template.judge(text(depth)).length).toBeGreaterThan(0);
    TEMPLATES.read(text(depth).replace('status', '_aachat'));
  }
});
