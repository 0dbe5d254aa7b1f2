import { describe, expect, test } from 'vitest';
import { TEMPLATES } from '#runtime/kinds.ts';

const read = (settings: string) =>
  TEMPLATES.read(`---\n_aachat:\n${settings.replace(/^/gm, '  ')}\ntitle:\n---\n# Task\n`);
const judge = (schema: string, front: string) => {
  const template = read(`schema:\n${schema.replace(/^/gm, '  ')}`);
  expect(template.faults).toEqual([]);
  return template.judge(`---\n${front}\n---\nbody\n`);
};

describe('S32: a template', () => {
  test.for([
    ['template_policy: create_once\nallowed_states: [open, done]\npreview_fields: [title]'],
    ['schema: {type: object, required: [due], properties: {due: {type: string, format: date}}}'],
    ['schema: {properties: {who: {format: aachat.member_ref}, odd: {format: nobody.knows}}}'],
    ['schema: {properties: {tags: {type: array, items: {enum: [a, 1, null, true]}, minItems: 1, maxItems: 3}}}'],
    ['schema: {additionalProperties: false, properties: {a: {type: [string, "null"], pattern: "^[a-z]+$"}}}'],
    ['{}'],
  ] as const)('%s is right', ([settings]) => {
    expect(read(settings).faults).toEqual([]);
  });

  test.for([
    ['template_policy: sometimes', '_aachat.template_policy must be always_overwrite or create_once.'],
    ['allowed_states: open', '_aachat.allowed_states must be a list of texts.'],
    ['preview_fields: [1]', '_aachat.preview_fields must be a list of names.'],
    ['states: [open]', '_aachat.states is no setting; these are: template_policy'],
    ['schema: []', '_aachat.schema must be a schema'],
    ['schema: {properties: {a: {$ref: "#/b"}}}', '_aachat.schema.properties.a."$ref" is no keyword here'],
    ['schema: {properties: {a: 1}}', '_aachat.schema.properties.a must be a schema'],
    ['schema: {items: [{type: string}]}', '_aachat.schema.items must be one schema.'],
    ['schema: {type: text}', '_aachat.schema.type must be one of string,'],
    ['schema: {required: due}', '_aachat.schema.required must be a list of names.'],
    ['schema: {additionalProperties: {type: string}}', 'additionalProperties must be true or false.'],
    ['schema: {enum: [[a]]}', '_aachat.schema.enum must be a list'],
    ['schema: {minLength: -1}', '_aachat.schema.minLength must be a whole number.'],
    ['schema: {pattern: "(a"}', '_aachat.schema.pattern cannot be used. It is no regular expression.'],
    ['schema: {pattern: "(?=a)"}', '_aachat.schema.pattern cannot be used.'],
    [`schema: ${'{items: '.repeat(20)}{}${'}'.repeat(20)}`, 'is deeper than 16 schemas.'],
    ['a: [', 'no YAML that can be read'],
    ['a: &x 1\nb: *x', 'no YAML that can be read'],
  ] as const)('%s is wrong, is said so, and asks nothing of documents', ([settings, fault]) => {
    const template = read(settings);
    expect(template.faults.join('\n')).toContain(fault);
    expect(template.judge('---\nstatus: any\n---\n')).toEqual([]);
  });

  test.for(['$ref', '$defs', '$schema', '$id', 'oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else'])(
    'the keyword %s is wrong',
    (keyword) => {
      expect(read(`schema: {"${keyword}": {}}`).faults).toEqual([expect.stringContaining('is no keyword here')]);
    },
  );

  test.for(['dependencies', 'patternProperties', 'propertyNames', 'const', '__proto__'])(
    'the keyword %s is wrong',
    (keyword) => {
      expect(read(`schema: {"${keyword}": {}}`).faults).toEqual([expect.stringContaining('is no keyword here')]);
    },
  );

  test.for(['', '# Task\n', '---\n---\n', '---\ntitle: x\n---\n', '---\nno end'])(
    '%j asks for a readable front matter only',
    (text) => {
      const template = TEMPLATES.read(text);
      expect(template.faults).toEqual([]);
      expect(template.judge('---\nany: thing\n---\n')).toEqual([]);
      expect(template.judge('---\n[\n---\n')).toEqual([expect.stringContaining('no YAML that can be read')]);
    },
  );
});

describe('S32: a document', () => {
  test('has one of the allowed states, or none yet', () => {
    const { judge: check } = read('allowed_states: [open, done]');
    expect(check('---\nstatus: open\n---\n')).toEqual([]);
    expect(check('# no front matter\n')).toEqual([]);
    expect(check('---\nstatus: opne\n---\n')).toEqual(['status must be one of "open", "done"; it is "opne".']);
    expect(check('\ufeff---\r\nstatus: 1\r\n---\r\n')).toEqual(['status must be one of "open", "done"; it is 1.']);
  });

  test.for([
    ['required: [due]', 'a: 1', 'due is missing.'],
    ['type: object\nrequired: [due]', '', 'due is missing.'],
    ['properties: {n: {type: integer}}', 'n: 1.5', 'n must be integer; it is 1.5.'],
    ['properties: {n: {type: [string, "null"]}}', 'n: [1]', 'n must be string or null; it is [1].'],
    ['properties: {n: {enum: [a, b]}}', 'n: c', 'n must be one of "a", "b"; it is "c".'],
    ['properties: {n: {minimum: 1, maximum: 3}}', 'n: 0', 'n must be at least 1.'],
    ['properties: {n: {minimum: 1, maximum: 3}}', 'n: 4', 'n must be at most 3.'],
    ['properties: {n: {minLength: 2}}', 'n: 😀', 'n must have at least 2 characters.'],
    ['properties: {n: {maxLength: 2}}', 'n: abc', 'n must have at most 2 characters.'],
    ['properties: {n: {pattern: "^a+$"}}', 'n: ab', 'n must match "^a+$"; it is "ab".'],
    ['properties: {n: {minItems: 1}}', 'n: []', 'n must have at least 1 entries.'],
    ['properties: {n: {maxItems: 1}}', 'n: [1, 2]', 'n must have at most 1 entries.'],
    ['properties: {n: {items: {type: string}}}', 'n: [a, 2]', 'n[1] must be string; it is 2.'],
    ['properties: {n: {properties: {m: {type: boolean}}}}', 'n: {m: x}', 'n.m must be boolean; it is "x".'],
    ['properties: {n: {additionalProperties: false}}', 'n: {title: x}', 'n.title is no field of this kind.'],
    ['additionalProperties: false', 'extra: 1\ntitle: x', 'extra is no field of this kind.'],
    ['properties: {d: {format: date}}', 'd: 2026-02-30', 'd must be a date; it is "2026-02-30".'],
    ['properties: {d: {format: date-time}}', 'd: 2026-02-03T25:00:00Z', 'd must be a date-time'],
    ['properties: {d: {format: uri}}', 'd: example.com', 'd must be a uri; it is "example.com".'],
  ] as const)('asked for %s, %j is wrong', ([schema, front, fault]) => {
    expect(judge(schema, front)).toEqual([expect.stringContaining(fault)]);
  });

  test.for([
    ['properties: {d: {format: date}}', 'd: 2028-02-29'],
    ['properties: {d: {format: date-time}}', 'd: 2026-02-03T23:00:00.5+01:00'],
    ['properties: {d: {format: uri}}', 'd: mailto:mia@example.com'],
    ['properties: {d: {format: aachat.badge}}', 'd: anything'],
    ['properties: {n: {minLength: 2}}', 'n: 1'],
    ['additionalProperties: false\nproperties: {own: {}}', 'own: 1\ntitle: x\ndepends_on: []\n_aachat: {answers: []}'],
  ] as const)('asked for %s, %j is right', ([schema, front]) => {
    expect(judge(schema, front)).toEqual([]);
  });

  test('is told the first of many faults, and how many more there are', () => {
    const front = Array.from({ length: 30 }, (_, n) => `f${n}: 1`).join('\n');
    const faults = judge('additionalProperties: false', front);
    expect(faults).toHaveLength(11);
    expect(faults.at(-1)).toBe('And 20 more.');
  });

  test('with a front matter that is no map, broken or huge is wrong in words', () => {
    expect(judge('type: object', '- a')).toEqual(['The front matter must be a map: `name: value`.']);
    expect(judge('type: object', 'a: 1\na: 2')).toEqual([expect.stringMatching(/no YAML .* at line 3/)]);
    expect(judge('type: object', `a: ${'x'.repeat(40_000)}`)).toEqual([expect.stringContaining('32 KiB')]);
  });
});
