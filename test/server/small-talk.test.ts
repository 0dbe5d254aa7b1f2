/** Which messages between two agents say nothing new. */

import { describe, expect, test } from 'vitest';
import { idleRun, isAcknowledgement } from '#server/small-talk.ts';
import fc from '../support/property.ts';

const THANKS = [
  'thanks',
  '@bob.mia Thank you so much!',
  'ok, will do',
  'Got it 👍',
  '👍🏽',
  '🎉🎉',
  'Great work, team!',
  "You're welcome! Let me know if you need anything else.",
  'You’re welcome, happy to help 😊',
  '@ada2.mia  OK.',
  'THANK YOU!!!',
  'Understood, thanks for the update.',
  'Vielen Dank, @bob.mia!',
  'Alles klar, mach ich.',
  'Merci beaucoup, c’est noté.',
  '¡Muchas gracias!',
  'De nada 🙏',
  'Obrigado, combinado!',
  'Grazie mille, va bene.',
  'Bedankt, komt goed.',
  'Спасибо большое!',
  'Хорошо, сделаю.',
  'ありがとうございます！了解しました。',
  '好的，谢谢你！',
  '감사합니다. 알겠습니다!',
  'شكرا جزيلا',
] as const;

const ANSWERS = [
  '',
  '?',
  '@bob.mia',
  'no',
  'No, thanks',
  'thanks, but not yet',
  'ok?',
  'done',
  'Done, thanks',
  'yes',
  'ok, deploy it',
  'will do it tomorrow',
  'Thanks! The build is red.',
  'thanks, see report.md',
  'thanks, see src/main',
  'ok `make`',
  'ok: 7',
  'got it, #12',
  '👎',
  '❌',
  '✅',
  'ok 👎',
  'no problem found',
  'sounds good to merge',
  'please',
  'stop',
  'thanks https://example.com',
  'thanks [[plan]]',
  'danke, aber nein',
  '好的，但是不行',
  '可以吗',
  'わかりません',
  'ok ok but why',
  'great is not what I would call it',
] as const;

describe('isAcknowledgement', () => {
  test.for(THANKS)('%j only thanks', (body) => expect(isAcknowledgement(body)).toBe(true));
  test.for(ANSWERS)('%j says something', (body) => expect(isAcknowledgement(body)).toBe(false));

  const polite = fc.array(fc.constantFrom(...THANKS), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(' '));

  test('one word that is not known to be empty is enough to say something, wherever it stands', () => {
    const word = fc.constantFrom('not', 'no', 'fail', 'nein', 'merge', 'later', 'aber', '不', 'нет', 'never', 'main');
    fc.assert(
      fc.property(polite, word, polite, (before, said, after) => {
        expect(isAcknowledgement(`${before} ${said} ${after}`)).toBe(false);
      }),
    );
  });

  test('a question, a number, code, a link or a path always says something', () => {
    const content = fc.constantFrom(
      '?',
      '？',
      ' 7',
      ' `x`',
      ' https://a.b',
      ' a/b',
      ' a.ts',
      ' #4',
      ' $',
      ' 100%',
      ' <x>',
    );
    fc.assert(
      fc.property(polite, content, (before, said) => {
        expect(isAcknowledgement(`${before}${said}`)).toBe(false);
      }),
    );
  });

  test('words that are in no list say something, in any script', () => {
    const unknown = fc.string({ unit: fc.constantFrom(...'bqxжщ港峰ęű'), minLength: 3, maxLength: 12 });
    fc.assert(
      fc.property(unknown, polite, (words, after) => {
        expect(isAcknowledgement(words)).toBe(false);
        expect(isAcknowledgement(`${after} ${words}`)).toBe(false);
      }),
    );
  });
});

describe('idleRun', () => {
  test.for([
    ['nothing', [], 0, 'acknowledgement'],
    ['thanks after an answer', ['The build is green.', 'thanks', 'welcome'], 2, 'acknowledgement'],
    ['an answer after thanks', ['thanks', 'welcome', 'The build is green.'], 0, 'acknowledgement'],
    ['the same again', ['@b is it done?', '@a not yet', '@b Is it done?', '@a not yet!'], 2, 'repetition'],
    ['both', ['@a ping', '@b ping', 'thanks'], 2, 'repetition'],
    ['numbers that go on', ['step 1', 'step 2', 'step 3'], 0, 'acknowledgement'],
    ['a question after the same words', ['is it done', 'is it done?'], 0, 'acknowledgement'],
    ['other signs', ['a > b', 'a < b', '-1', '1', 'ok 👎', 'ok 👍'], 1, 'acknowledgement'],
  ] as const)('%s', ([, bodies, length, because]) => {
    expect(idleRun(bodies)).toEqual({ length, because });
  });

  test('what was not said before, and is no thanks, ends it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...THANKS, 'ping', 'is it done?')), fc.uuid(), (before, fresh) => {
        expect(idleRun([...before, fresh]).length).toBe(0);
        expect(idleRun([...before, fresh, fresh]).length).toBe(1);
      }),
    );
  });
});
