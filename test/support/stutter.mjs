/**
 * Loaded into a process, this holds it up at random, as a machine does that is busy elsewhere: at any call into the file
 * system, before any timer, at anything that arrives. A test that fails only like this believes in a time.
 *
 *     NODE_OPTIONS="--import=$PWD/test/support/stutter.mjs" npx vitest run --project int test/sync
 *
 * `STUTTER=0.02` is the share of such places at which it is held up, `STUTTER_MS=80` for how long on average.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';

const share = Number(process.env.STUTTER ?? 0.02);
const meanMs = Number(process.env.STUTTER_MS ?? 80);
const cell = new Int32Array(new SharedArrayBuffer(4));

/** The whole thread stands still: whoever waits for an order between two things gets no help from this. */
function holdUp() {
  if (Math.random() < share) Atomics.wait(cell, 0, 0, -meanMs * Math.log(Math.random()));
}

function around(real) {
  if (typeof real !== 'function' || /^class\s/.test(Function.prototype.toString.call(real))) return real;
  const wrapped = function (...args) {
    holdUp();
    const result = new.target ? Reflect.construct(real, args, new.target) : Reflect.apply(real, this, args);
    if (result instanceof Promise) return result.finally(holdUp);
    holdUp();
    return result;
  };
  return Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(real));
}

function wrapAll(object, names) {
  for (const name of names) if (name in object) object[name] = around(object[name]);
}

const isOwn = (name) => /^[a-z]/.test(name) && !name.endsWith('Stream') && name !== 'promises' && name !== 'constants';
wrapAll(fs, Object.keys(fs).filter(isOwn));
wrapAll(fs.promises, Object.keys(fs.promises).filter(isOwn));
wrapAll(childProcess, ['spawn', 'spawnSync', 'execFile', 'execFileSync']);

/** A process that inherits nothing, as an agent program, is held up as well. */
const { spawn } = childProcess;
const { NODE_OPTIONS, STUTTER, STUTTER_MS } = process.env;
const inherited = JSON.parse(JSON.stringify({ NODE_OPTIONS, STUTTER, STUTTER_MS }));
childProcess.spawn = (...args) =>
  spawn(...args.map((arg) => (arg?.env === undefined ? arg : { ...arg, env: { ...inherited, ...arg.env } })));
wrapAll(timersPromises, ['setTimeout']);

for (const target of [globalThis, timers]) {
  for (const name of ['setTimeout', 'setImmediate', 'setInterval']) {
    const real = target[name];
    const wrapped = (callback, ...rest) => real(typeof callback === 'function' ? around(callback) : callback, ...rest);
    target[name] = Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(real));
  }
}

const { emit } = net.Socket.prototype;
net.Socket.prototype.emit = function (event, ...args) {
  if (event === 'data' || event === 'end' || event === 'connect') holdUp();
  return Reflect.apply(emit, this, [event, ...args]);
};
syncBuiltinESMExports();
