/**
 * The part of JSON Schema that a template may use for the front matter of its documents. Pure. A keyword that is not
 * listed makes the template wrong: nobody shall rely on what is not checked.
 */
import { linearPattern } from './linear-pattern.ts';

/** What is wrong, and where: `owner.name`, `tags[2]`. */
export interface Fault {
  readonly at: string;
  readonly says: string;
}

type Fields = Readonly<Record<string, unknown>>;
const MOST_DEPTH = 16;
/** A pattern is tried on no longer text. */
const MOST_MATCHED = 4_096;
const MOST_QUOTED = 60;

const isNumber = (value: unknown): value is number => typeof value === 'number';
const isText = (value: unknown): value is string => typeof value === 'string';
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isScalar = (value: unknown): boolean => value === null || typeof value !== 'object';
/** A map of YAML. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !isList(value);
const own = (fields: Fields, name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: isText,
  number: isNumber,
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  object: isFields,
  array: isList,
  null: (value) => value === null,
};
const isType = (value: unknown): boolean => isText(value) && Object.hasOwn(TYPES, value);
const typesOf = (type: unknown): readonly string[] => (isList(type) ? type : [type]).filter(isText);

/** Formats that are not listed say how something is shown; every text has them. */
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  'date-time': (text) => {
    const [, date = '', time] = /^(\d{4}-\d\d-\d\d)[Tt](.+)$/.exec(text) ?? [];
    const clock = /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
    return isDate(date) && clock.test(time ?? '');
  },
  uri: (text) => /^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(text) && URL.canParse(text),
};

function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? [];
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
}

/** Keyword → what its value has to be. */
const KEYWORDS: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  type: [
    (value) => (isList(value) ? value.length > 0 && value.every(isType) : isType(value)),
    `one of ${Object.keys(TYPES).join(', ')}, or a list of them`,
  ],
  properties: [isFields, 'a map of schemas'],
  required: [(value) => isList(value) && value.every(isText), 'a list of names'],
  additionalProperties: [(value) => typeof value === 'boolean', 'true or false'],
  enum: [(value) => isList(value) && value.length > 0 && value.every(isScalar), 'a list of texts, numbers or the like'],
  pattern: [isText, 'a text'],
  minLength: [isCount, 'a whole number'],
  maxLength: [isCount, 'a whole number'],
  minimum: [isNumber, 'a number'],
  maximum: [isNumber, 'a number'],
  items: [isFields, 'one schema'],
  minItems: [isCount, 'a whole number'],
  maxItems: [isCount, 'a whole number'],
  format: [isText, 'a text'],
};

const inside = (at: string, name: string): string => {
  const shown = /^[\w-]+$/.test(name) ? name : quote(name);
  return at === '' ? shown : `${at}.${shown}`;
};

/** A value as one short line. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED).toWellFormed()}…` : text;
}

/** What is wrong with a schema itself; with anything at all it must not be used. */
export function schemaFaults(schema: unknown, at: string, depth = 0): readonly Fault[] {
  if (!isFields(schema)) return [{ at, says: 'must be a schema: a map of keywords' }];
  if (depth > MOST_DEPTH) return [{ at, says: `is deeper than ${MOST_DEPTH} schemas` }];
  return Object.entries(schema).flatMap(([name, value]): readonly Fault[] => {
    const here = inside(at, name);
    const keyword = Object.hasOwn(KEYWORDS, name) ? KEYWORDS[name] : undefined;
    if (keyword === undefined) {
      return [{ at: here, says: `is no keyword here; these are: ${Object.keys(KEYWORDS).join(', ')}` }];
    }
    const [isRight, wanted] = keyword;
    if (!isRight(value)) return [{ at: here, says: `must be ${wanted}` }];
    if (name === 'items') return schemaFaults(value, here, depth + 1);
    if (name === 'properties' && isFields(value)) {
      return Object.entries(value).flatMap(([field, one]) => schemaFaults(one, inside(here, field), depth + 1));
    }
    const refused = name === 'pattern' ? linearPattern(String(value)) : undefined;
    return typeof refused === 'string' ? [{ at: here, says: `cannot be used. ${refused}` }] : [];
  });
}

/** Makes what judges values by a schema that has no faults. `free` are names that may always be there. */
export function judgeBy(
  schema: Fields,
  free: ReadonlySet<string> = new Set(),
): (value: unknown, at: string) => Fault[] {
  const get = (name: string): unknown => own(schema, name);
  const types = typesOf(get('type'));
  const choice = get('enum');
  const source = get('pattern');
  const format = get('format');
  const pattern = isText(source) ? linearPattern(source) : undefined;
  const hasFormat = isText(format) && Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  const properties = get('properties');
  const named = new Map(Object.entries(isFields(properties) ? properties : {}).map(([n, s]) => [n, judgeAny(s)]));
  const required = get('required');
  const items = get('items') === undefined ? undefined : judgeAny(get('items'));
  const least = (name: string, have: number) => isNumber(get(name)) && have < Number(get(name));
  const most = (name: string, have: number) => isNumber(get(name)) && have > Number(get(name));

  return (value, at) => {
    const faults: Fault[] = [];
    const fault = (says: string, where = at) => void faults.push({ at: where, says });
    if (types.length > 0 && !types.some((type) => TYPES[type]?.(value))) {
      fault(`must be ${types.join(' or ')}; it is ${quote(value)}`);
    } else if (isList(choice) && !choice.includes(value)) {
      fault(`must be one of ${choice.map(quote).join(', ')}; it is ${quote(value)}`);
    }
    if (isText(value)) {
      const { length } = [...value];
      if (least('minLength', length)) fault(`must have at least ${get('minLength')} characters`);
      if (most('maxLength', length)) fault(`must have at most ${get('maxLength')} characters`);
      if (typeof pattern === 'function' && (value.length > MOST_MATCHED || !pattern(value))) {
        fault(`must match ${quote(source)}; it is ${quote(value)}`);
      }
      if (hasFormat?.(value) === false) fault(`must be a ${format}; it is ${quote(value)}`);
    }
    if (isNumber(value)) {
      if (least('minimum', value)) fault(`must be at least ${get('minimum')}`);
      if (most('maximum', value)) fault(`must be at most ${get('maximum')}`);
    }
    if (isList(value)) {
      if (least('minItems', value.length)) fault(`must have at least ${get('minItems')} entries`);
      if (most('maxItems', value.length)) fault(`must have at most ${get('maxItems')} entries`);
      if (items !== undefined)
        for (const [index, one] of value.entries()) faults.push(...items(one, `${at}[${index}]`));
    }
    if (isFields(value)) {
      for (const name of isList(required) ? required.map(String) : []) {
        if (!Object.hasOwn(value, name)) fault('is missing', inside(at, name));
      }
      for (const [name, one] of Object.entries(value)) {
        const judge = named.get(name);
        if (judge !== undefined) faults.push(...judge(one, inside(at, name)));
        else if (get('additionalProperties') === false && !free.has(name)) {
          fault('is no field of this kind', inside(at, name));
        }
      }
    }
    return faults;
  };
}

const judgeAny = (schema: unknown) => judgeBy(isFields(schema) ? schema : {});
