import { expect, test } from 'vitest';
import type { LogLine } from '#runtime/log-events.ts';
import { decode, encode } from '#runtime/log-lines.ts';
import fc from '../support/property.ts';

const at = '2026-01-01T00:00:00.000Z';
const problem = (seq: number, message: string): LogLine => ({ seq, at, type: 'problem', message, hint: null });
const texts = fc.array(fc.string({ unit: 'binary' }), { maxLength: 8 });
const read = (bytes: Buffer) => decode(bytes).lines.map(({ line }) => line);

test('L1 every text comes back as it was', () => {
  fc.assert(
    fc.property(texts, (messages) => {
      const lines = messages.map((message, index) => problem(index + 1, message));
      const bytes = Buffer.from(lines.map(encode).join(''));
      const { lines: found, position, isDamaged } = decode(bytes);
      expect([found.map(({ line }) => line), position]).toMatchObject([
        lines,
        { bytes: bytes.length, seq: lines.length },
      ]);
      expect(isDamaged).toBe(false);
    }),
  );
});

test('L8 a log that is cut anywhere has the lines that are whole', () => {
  fc.assert(
    fc.property(texts, fc.nat(), (messages, where) => {
      const whole = messages.map((message, index) => encode(problem(index + 1, message)));
      const bytes = Buffer.from(whole.join(''));
      const cut = bytes.length === 0 ? 0 : where % (bytes.length + 1);
      const ends = whole.map((_, index) => Buffer.byteLength(whole.slice(0, index + 1).join('')));
      const good = ends.filter((end) => end <= cut);
      const { lines, position, isDamaged } = decode(bytes.subarray(0, cut));
      expect([lines.length, position.bytes, isDamaged]).toEqual([good.length, good.at(-1) ?? 0, false]);
    }),
  );
});

test('L8 a changed byte anywhere ends what is trusted', () => {
  const line = encode(problem(1, 'the truth'));
  fc.assert(
    fc.property(fc.nat(line.length - 2), fc.constantFrom('x', '0', '\u0000', '}', '\n'), (place, other) => {
      fc.pre(line[place] !== other);
      expect(read(Buffer.from(line.slice(0, place) + other + line.slice(place + 1)))).toEqual([]);
    }),
  );
});

test('L8 whatever bytes there are, reading ends and never fails', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, inFront) => {
      const good = Buffer.from(encode(problem(1, 'good')));
      const bytes = Buffer.concat(inFront ? [Buffer.from(noise), good] : [good, Buffer.from(noise)]);
      expect(read(bytes).length).toBe(inFront && noise.length > 0 ? 0 : 1);
    }),
  );
});

test('R1 lines that are read in parts are those that are read at once', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat({ max: 60 }), { minLength: 1 }), (messages, steps) => {
      const bytes = Buffer.from(messages.map((message, index) => encode(problem(index + 1, message))).join(''));
      const parts: LogLine[] = [];
      let [position, seen] = [decode(Buffer.alloc(0)).position, 0];
      for (let index = 0; seen < bytes.length; index += 1) {
        seen = Math.min(bytes.length, seen + (steps[index % steps.length] ?? 0) + 1);
        const next = decode(bytes.subarray(position.bytes, seen), position);
        position = next.position;
        parts.push(...next.lines.map(({ line }) => line));
      }
      expect(parts).toEqual(read(bytes));
    }),
  );
});
