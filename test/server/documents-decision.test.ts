/** What becomes of a submission. */
import { describe, expect, test } from 'vitest';
import { DOCUMENT_BYTES } from '#contract/documents.ts';
import { decidePush, type Head, type Submission, type Text, takeIn } from '#server/documents-decision.ts';

/** The digest of a test's text is the text itself. */
const text = (...lines: readonly string[]): Text => {
  const whole = lines.map((line) => `${line}\n`).join('');
  return { digest: whole, text: whole };
};
const living = (last: Text): Head => ({ digest: last.digest, last });
const deleted = (last: Text | undefined): Head => ({ digest: null, last });
const on = (base: Text | null, submitted: Text | null, known = false): Submission => ({ base, text: submitted, known });
const onUnknown = (submitted: Text | null, known = false): Submission => ({
  base: { digest: 'nobody knows', text: undefined },
  text: submitted,
  known,
});

const old = text('a', 'b', 'c');
const head = text('a', 'b', 'c!');
const elsewhere = text('a!', 'b', 'c');
const same = text('a', 'b', 'c?');

describe('an edit of a living document', () => {
  test.for([
    ['on the head is accepted', on(head, same), { outcome: 'accepted', text: same.text }],
    ['that says what the head says changes nothing', on(old, head), { outcome: 'unchanged' }],
    ['that is no edit changes nothing', on(old, old, true), { outcome: 'unchanged' }],
    ['elsewhere is merged', on(old, elsewhere), { outcome: 'merged', text: text('a!', 'b', 'c!').text }],
    ['of the same lines leaves them as they are', on(old, same), { outcome: 'overlap', text: head.text }],
    ['back to an older text is an edit', on(head, old, true), { outcome: 'accepted', text: old.text }],
    ['on an unknown base is not guessed', onUnknown(same), { outcome: 'overlap', text: head.text }],
    ['on nothing is not guessed either', on(null, same), { outcome: 'overlap', text: head.text }],
    ['that is an old text on an unknown base is no edit', onUnknown(old, true), { outcome: 'unchanged' }],
    ['that is an old text on nothing is no edit', on(null, old, true), { outcome: 'unchanged' }],
  ] as const)('%s', ([, submission, decision]) => {
    expect(decidePush(living(head), submission)).toEqual(decision);
  });

  test('of several places keeps what does not overlap', () => {
    const submitted = text('a!', 'b', 'c?');
    const decision = decidePush(living(head), on(old, submitted));
    expect(decision).toEqual({ outcome: 'overlap', text: text('a!', 'b', 'c!').text });
  });
});

describe('what both sides together make too long for a document', () => {
  const much = (letter: string) => letter.repeat(DOCUMENT_BYTES - 100);
  const [first, last] = [text(much('x'), 'a', 'b', 'c'), text('a', 'b', 'c', much('y'))];

  test('is not merged: the document stays whole', () => {
    expect(decidePush(living(first), on(old, last))).toEqual({ outcome: 'overlap', text: first.text });
    expect(decidePush(deleted(first), on(old, last))).toEqual({ outcome: 'overlap', text: first.text });
  });

  test('is not taken in', () => {
    const kept = { base: old.text, submitted: last.text, before: first.text, after: first.text };
    expect(() => takeIn(living(first), kept, last.text)).toThrow('more than 1024 KiB');
    expect(takeIn(living(first), kept, first.text)).toBe(first.text);
  });
});

describe('a deletion', () => {
  test.for([
    ['of the head deletes it', living(head), on(head, null), { outcome: 'accepted', text: null }],
    ['of an older text deletes nothing', living(head), on(old, null), { outcome: 'kept' }],
    ['on an unknown base deletes nothing', living(head), onUnknown(null), { outcome: 'kept' }],
    ['on nothing deletes nothing', living(head), on(null, null), { outcome: 'kept' }],
    ['of what is deleted changes nothing', deleted(head), on(old, null), { outcome: 'unchanged' }],
  ] as const)('%s', ([, before, submission, decision]) => {
    expect(decidePush(before, submission)).toEqual(decision);
  });
});

describe('a text for a document that is not there', () => {
  test.for([
    ['makes the first version', deleted(undefined), on(null, head), { outcome: 'accepted', text: head.text }],
    ['from elsewhere is taken', deleted(undefined), onUnknown(head), { outcome: 'accepted', text: head.text }],
    [
      'that was written anew brings it back',
      deleted(head),
      on(null, head, true),
      { outcome: 'accepted', text: head.text },
    ],
    [
      'that edits what was deleted brings it back',
      deleted(head),
      on(head, same),
      { outcome: 'accepted', text: same.text },
    ],
    ['on an unknown base brings it back', deleted(head), onUnknown(same), { outcome: 'accepted', text: same.text }],
    [
      'that edits an older text brings it back with what others wrote',
      deleted(head),
      on(old, elsewhere),
      { outcome: 'merged', text: text('a!', 'b', 'c!').text },
    ],
    ['that is no edit leaves it deleted', deleted(head), on(head, head, true), { outcome: 'unchanged' }],
    ['of an older version, unedited, leaves it deleted', deleted(head), on(old, old, true), { outcome: 'unchanged' }],
    [
      'whose last text was purged is taken whole',
      deleted(undefined),
      on(old, same),
      { outcome: 'accepted', text: same.text },
    ],
  ] as const)('%s', ([, before, submission, decision]) => {
    expect(decidePush(before, submission)).toEqual(decision);
  });
});

describe('taking in what was kept aside', () => {
  const before = text('a', 'b', 'c!');
  const submitted = text('a?', 'b', 'c?');
  const after = text('a?', 'b', 'c!');
  const kept = { base: old.text, submitted: submitted.text, before: before.text, after: after.text };

  test.for([
    ['as it is', after, submitted, text('a?', 'b', 'c?')],
    ['into a document that others went on with', text('a?', 'new', 'b', 'c!'), submitted, text('a?', 'new', 'b', 'c?')],
    ['edited', text('a?', 'b', 'b', 'c!'), text('a?', 'b', 'c!?', 'd'), text('a?', 'b', 'b', 'c!?', 'd')],
    ['where others changed the disputed line again', text('a?', 'b', 'c!!'), submitted, submitted],
  ] as const)('%s', ([, now, taken, result]) => {
    expect(takeIn(living(now), kept, taken.text)).toBe(result.text);
  });

  test('what others had written before stays', () => {
    const wider = { ...kept, before: text('new', 'a', 'b', 'c!').text, after: text('new', 'a?', 'b', 'c!').text };
    expect(takeIn(living(text('new', 'a?', 'b', 'c!')), wider, submitted.text)).toBe(text('new', 'a?', 'b', 'c?').text);
  });

  test.for([
    ['the document is deleted', deleted(head), kept],
    ['what it was is not known', living(head), { ...kept, after: undefined }],
    ['it was nobody’s edit', living(after), { ...kept, base: undefined }],
  ] as const)('it is taken whole when %s', ([, before, how]) => {
    expect(takeIn(before, how, same.text)).toBe(same.text);
  });
});
