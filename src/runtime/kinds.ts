/**
 * Kinds of documents: what the `_template.md` of a folder asks of the front matter beside it. Pure, and total: whatever
 * a text says, the answer is a list of what is wrong.
 */
import { parse, YAMLParseError } from 'yaml';
import { TEMPLATE } from '#contract/paths.ts';
import type { Template, Templates } from '#sync/remote.ts';
import { splitFrontMatter } from './front-matter.ts';
import { type Fault, isFields, judgeBy, quote, schemaFaults } from './kind-schema.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The front matter is read by everybody's program; more is no longer about a document. */
const MOST_CHARACTERS = 32 * 1024;
/** Of one document; who has more begins with these. */
const MOST_FAULTS = 10;

/** What aachat itself says in a front matter. */
const OURS = '_aachat';
/** What a document of every kind may say, also where a schema allows nothing else. */
const COMMON = ['title', 'summary', 'status', 'tags', 'assignee', 'owner', 'children', 'parent', 'depends_on'];

const POLICIES: readonly unknown[] = ['always_overwrite', 'create_once'];
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string');

/** Setting of a template → what its value has to be. */
const SETTINGS: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  template_policy: [(value) => POLICIES.includes(value), `${POLICIES.join(' or ')}`],
  allowed_states: [isTexts, 'a list of texts'],
  schema: [isFields, 'a schema: a map of keywords'],
  preview_fields: [isTexts, 'a list of names'],
};

export const TEMPLATES: Templates = { file: `${TEMPLATE}.md`, read: readTemplate };

/** One that is wrong itself asks nothing of the documents. */
function readTemplate(text: string): Template {
  const front = readFront(text);
  if (typeof front === 'string') return { faults: [front], judge: () => [] };
  const settings = Object.hasOwn(front, OURS) ? front[OURS] : {};
  const faults = settingFaults(settings);
  if (faults.length > 0 || !isFields(settings)) return { faults: shown(faults), judge: () => [] };
  const { allowed_states: states, schema } = settings;
  const judge = judgeBy(isFields(schema) ? schema : {}, new Set(COMMON));
  return {
    faults: [],
    judge(document) {
      const fields = readFront(document);
      if (typeof fields === 'string') return [fields];
      const { [OURS]: _, ...said } = fields;
      return shown([...stateFaults(states, said), ...judge(said, '')]);
    },
  };
}

function settingFaults(settings: unknown): readonly Fault[] {
  if (!isFields(settings)) return [{ at: OURS, says: 'must be a map of settings' }];
  return Object.entries(settings).flatMap(([name, value]) => {
    const at = `${OURS}.${/^\w+$/.test(name) ? name : quote(name)}`;
    const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
    if (setting === undefined) return [{ at, says: `is no setting; these are: ${Object.keys(SETTINGS).join(', ')}` }];
    const [isRight, wanted] = setting;
    if (!isRight(value)) return [{ at, says: `must be ${wanted}` }];
    return name === 'schema' ? schemaFaults(value, at) : [];
  });
}

/** A document without a status has none yet. */
function stateFaults(states: unknown, said: Fields): readonly Fault[] {
  if (!Array.isArray(states) || !Object.hasOwn(said, 'status') || states.includes(said['status'])) return [];
  const says = `must be one of ${states.map(quote).join(', ')}; it is ${quote(said['status'])}`;
  return [{ at: 'status', says }];
}

function shown(faults: readonly Fault[]): readonly string[] {
  const lines = faults.map(({ at, says }) => `${at === '' ? 'The front matter' : at} ${says}.`.replace(/\.\.$/, '.'));
  const more = lines.length - MOST_FAULTS;
  return more > 0 ? [...lines.slice(0, MOST_FAULTS), `And ${more} more.`] : lines;
}

/** @returns what the front matter says, or why nobody can tell */
function readFront(text: string): Fields | string {
  const front = splitFrontMatter(text);
  if (front === undefined) return {};
  if (front.yaml.length > MOST_CHARACTERS) {
    return `The front matter has more than ${MOST_CHARACTERS / 1024} KiB, so it was not checked.`;
  }
  try {
    // Without aliases, which could make much of little.
    const said: unknown = parse(front.yaml, { schema: 'core', maxAliasCount: 0, logLevel: 'error' });
    if (said === null || said === undefined) return {};
    return isFields(said) ? said : 'The front matter must be a map: `name: value`.';
  } catch (thrown) {
    // Of a parser's message the first line; it goes on with a picture of the place.
    const said = thrown instanceof YAMLParseError ? `: ${thrown.message.split('\n', 1)[0]?.replace(/:$/, '')}` : '';
    const reason = said.replace(/\p{Cc}+/gu, ' ').replace(/ at line (\d+)/, inFile);
    return `The front matter is no YAML that can be read${reason}.`;
  }
}

/** The first line of the file is not a line of the YAML. */
const inFile = (_: string, line: string): string => ` at line ${Number(line) + 1}`;
