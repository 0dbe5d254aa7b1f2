/** Places on one server, and all that happens to them. */
import { newId } from '#base/id.ts';
import { GRAMMAR } from '#runtime/document-replica.ts';
import { digestOf } from '#sync/file.ts';
import { MemoryServer } from '../../support/memory-replica.ts';
import { pass, shiftWallClock } from './clock.ts';
import { Network } from './network.ts';
import { type Edit, edited, Ledger, readText, replaces, save, type Way, wordsOf } from './people.ts';
import { KEPT, type Moment, OUTSIDE, Place, ROOT } from './place.ts';
import type { Schedule, Step } from './schedule.ts';

const FOLDER = 'acme/launch/notes';
export const DOCUMENTS = ['plan', 'log', 'ideas'].map((name) => `${FOLDER}/${name}.md`);

/** A text between two steps of a save must last shorter than this to be safe from being read (S13), in ms. */
const safeMs = (text: string | null): number => (text === null ? 900 : text === '' ? 250 : 25);

interface Saving {
  readonly place: Place;
  readonly path: string;
  /** Goes on. @returns whether there is more to do */
  readonly next: () => boolean;
}

export class World {
  readonly server = new MemoryServer();
  readonly network: Network;
  readonly places: readonly Place[];
  readonly ledger = new Ledger();
  #savings: Saving[] = [];
  #connections = 0;
  /** Ends of what is wrong for a while. */
  #cures = new Set<() => void>();

  constructor({ places, fates, newsMs, lateMs }: Schedule) {
    this.network = new Network(this.server, fates, newsMs);
    this.places = Array.from(
      { length: places },
      (_, index) => new Place(`p${index}`, this.network, lateMs, index !== 1),
    );
  }

  /** Documents that everybody has. */
  async begin(): Promise<void> {
    const isCalm = this.network.isCalm;
    this.network.isCalm = true;
    const [first] = this.places;
    for (const path of DOCUMENTS.slice(0, 2)) {
      for (let line = 0; line < 6; line += 1) {
        this.#finish(first as Place, path);
        this.#save(first as Place, path, 'append', { how: 'insert', at: 0 }, []);
      }
    }
    for (const place of this.places) place.start();
    await pass(3_000);
    this.network.isCalm = isCalm;
  }

  async run(step: Step): Promise<void> {
    const place = this.places['place' in step ? step.place % this.places.length : 0] as Place;
    const path = DOCUMENTS['document' in step ? step.document : 0] as string;
    switch (step.do) {
      case 'save':
        return this.#at(place, step.at, replaces(step.way), () =>
          this.#save(place, path, step.way, step.edit, step.pausesMs),
        );
      case 'delete':
        return this.#at(place, step.at, true, () => this.#delete(place, path));
      case 'touch':
        return this.#at(place, step.at, false, () => this.#touch(place, path));
      case 'settle':
        return this.#at(place, step.at, false, () => this.#settle(place, step.how));
      case 'save on server':
        return this.#saveOnServer(path, step.edit);
      case 'delete on server':
        return this.#deleteOnServer(path);
      case 'kill':
        return this.#at(place, step.at, false, () => {
          place.kill();
          this.#forAWhile(step.ms, () => place.start());
        });
      case 'pass':
        return pass(step.ms);
      case 'away':
        this.server[step.how] = step.how === 'losesAnswers';
        return this.#forAWhile(step.ms, () => {
          this.server[step.how] = step.how !== 'losesAnswers';
        });
      case 'deaf':
        place.connection = undefined;
        return this.#forAWhile(step.ms, () => {
          this.#connections += 1;
          place.connection = this.#connections;
          void place.mirror?.refresh();
        });
      case 'hints':
        this.#finishAll(place);
        place.hints = step.how;
        return;
      case 'full':
        this.#finishAll(place);
        place.disk.isFull = true;
        return this.#forAWhile(step.ms, () => {
          place.disk.isFull = false;
        });
      case 'lock':
        return this.#lock(place, step.mode, step.ms);
      case 'link':
        return this.#link(place, step.ms);
      case 'clock':
        // The age of a file counts for some milliseconds.
        for (const one of this.places) this.#finishAll(one);
        await pass(100);
        return shiftWallClock(step.days * 86_400_000);
      case 'lose':
        return this.#lose(place, step.what, step.resume, step.ms);
    }
  }

  /** Ends everything that is wrong. */
  heal(): void {
    for (const place of this.places) place.calm();
    for (const place of this.places) this.#finishAll(place);
    for (const cure of [...this.#cures]) cure();
    this.network.isCalm = true;
    for (const { mirror } of this.places) void mirror?.refresh();
  }

  /** Now, or before a call of the mirror. */
  #at(place: Place, at: Moment | undefined, replacing: boolean, run: () => void): void {
    if (at === undefined) run();
    else place.before(at, run, replacing);
  }

  #forAWhile(ms: number, cure: () => void): void {
    const once = () => {
      if (this.#cures.delete(once)) cure();
    };
    this.#cures.add(once);
    setTimeout(once, ms);
  }

  /** Whether people can work there. */
  #isUsable(place: Place): boolean {
    return !place.disk.isFull && !place.isLinked && !place.isLocked;
  }

  #save(place: Place, path: string, way: Way, edit: Edit, pausesMs: readonly number[]): void {
    this.#finish(place, path);
    if (!this.#isUsable(place)) return;
    const { disk } = place;
    const file = `${ROOT}/${path}`;
    const view = readText(disk, file) ?? '';
    const text = edited(view, way, edit, this.ledger.newWord(path, place.name, `${way}, ${edit.how}`));
    const steps = save(disk, file, way, text, (before) => this.ledger.replaced(before, text, view));
    let part: { readonly text: string | null; readonly since: number; readonly isPrompt: boolean } | undefined;
    let count = 0;
    const next = (): boolean => {
      if (part !== undefined) {
        const isSafe = part.isPrompt && place.hints === 'prompt' && performance.now() - part.since < safeMs(part.text);
        if (isSafe) this.ledger.forbid(path, part.text);
        else this.ledger.allow(path, part.text);
        part = undefined;
      }
      const step = steps.next();
      if (step.done === true) {
        this.ledger.saved(path, text);
        return false;
      }
      if (step.value !== undefined) {
        part = { text: step.value, since: performance.now(), isPrompt: place.hints === 'prompt' };
      }
      // An editor may have it open for long.
      const ms = (pausesMs[count] ?? 0) * (step.value === undefined ? 20 : 1);
      count += 1;
      if (ms === 0) return next();
      setTimeout(() => this.#goOn(saving), ms);
      return true;
    };
    const saving = { place, path, next };
    this.#savings.push(saving);
    this.#goOn(saving);
  }

  #goOn(saving: Saving): void {
    if (!this.#savings.includes(saving)) return;
    if (!saving.next()) this.#savings = this.#savings.filter((one) => one !== saving);
  }

  /** Two programs that save one file at the same time take each other's words, whoever looks on. */
  #finish(place: Place, path: string): void {
    for (const saving of this.#savings) {
      while (saving.place === place && saving.path === path && this.#savings.includes(saving)) this.#goOn(saving);
    }
  }

  #finishAll(place: Place): void {
    for (const { path } of this.#savings.filter((one) => one.place === place)) this.#finish(place, path);
  }

  #delete(place: Place, path: string): void {
    this.#finish(place, path);
    const text = readText(place.disk, `${ROOT}/${path}`);
    if (text === undefined || !this.#isUsable(place)) return;
    this.ledger.replaced(text, null, text);
    this.ledger.allow(path, null);
    place.disk.unlinkSync(`${ROOT}/${path}`);
  }

  #touch(place: Place, path: string): void {
    const file = `${ROOT}/${path}`;
    if (!this.#isUsable(place) || readText(place.disk, file) === undefined) return;
    const fd = place.disk.openSync(file, 1);
    place.disk.futimesSync(fd, Date.now() / 1_000, Date.now() / 1_000);
    place.disk.closeSync(fd);
  }

  #settle(place: Place, how: 'save' | 'delete'): void {
    const [file] = this.#isUsable(place) ? conflictFiles(place) : [];
    const text = file === undefined ? undefined : readText(place.disk, `${ROOT}/${file}`);
    if (file === undefined || text === undefined) return;
    const kind = GRAMMAR.classify(file);
    const path = kind.kind === 'conflict' ? kind.of : file;
    this.ledger.lower(wordsOf(text), 'overwritten');
    if (how === 'delete') {
      // What was saved over it a moment ago, nobody else has seen.
      this.ledger.lower(this.#own(place, text), 'taken out');
      place.disk.unlinkSync(`${ROOT}/${file}`);
      return;
    }
    this.ledger.settled.add(path);
    this.ledger.lower(
      [...this.ledger.words].filter(([, word]) => word.path === path).map(([word]) => word),
      'overwritten',
    );
    const taken = `${text}${this.ledger.newWord(path, place.name, 'over a conflict')}\n`;
    const fd = place.disk.openSync(`${ROOT}/${file}`, 1);
    place.disk.writeSync(fd, Buffer.from(taken), 0);
    place.disk.closeSync(fd);
    this.ledger.saved(path, taken);
  }

  /** Words in a text that were saved in a place, and that nobody else has. */
  #own({ name }: Place, text: string): string[] {
    const known = new Set(DOCUMENTS.flatMap((path) => this.server.history(path)).flatMap(wordsOf));
    return wordsOf(text).filter((word) => this.ledger.words.get(word)?.place === name && !known.has(word));
  }

  async #saveOnServer(path: string, edit: Edit): Promise<void> {
    const view = this.server.text(path);
    const text = edited(view ?? '', 'rename', edit, this.ledger.newWord(path, 'server', edit.how));
    this.ledger.replaced(view, text, view ?? '');
    await this.#push(path, view, text);
    this.ledger.saved(path, text);
  }

  async #deleteOnServer(path: string): Promise<void> {
    const view = this.server.text(path);
    if (view === undefined) return;
    this.ledger.replaced(view, null, view);
    this.ledger.allow(path, null);
    await this.#push(path, view, null);
  }

  async #push(path: string, view: string | undefined, text: string | null): Promise<void> {
    const { isReachable, losesAnswers } = this.server;
    Object.assign(this.server, { isReachable: true, losesAnswers: false });
    const baseDigest = view === undefined ? null : digestOf(Buffer.from(view));
    const bytes = text === null ? null : Buffer.from(text);
    await this.server.replica('web').push({ path, opId: newId(), baseDigest, bytes });
    Object.assign(this.server, { isReachable, losesAnswers });
  }

  #lock(place: Place, mode: number, ms: number): void {
    const folder = `${ROOT}/${FOLDER}`;
    if (!this.#isUsable(place) || place.disk.lstatSync(folder) === undefined) return;
    this.#finishAll(place);
    place.isLocked = true;
    place.disk.chmod(folder, mode);
    this.#forAWhile(ms, () => {
      if (place.disk.lstatSync(folder) !== undefined) place.disk.chmod(folder, 0o755);
      place.isLocked = false;
    });
  }

  /** The folder is a link that leads out for a while. */
  #link(place: Place, ms: number): void {
    const folder = `${ROOT}/${FOLDER}`;
    if (!this.#isUsable(place) || place.disk.lstatSync(folder) === undefined) return;
    this.#finishAll(place);
    place.isLinked = true;
    place.disk.renameSync(folder, `${ROOT}/away`);
    place.disk.symlink(OUTSIDE, folder);
    this.#forAWhile(ms, () => {
      place.disk.unlinkSync(folder);
      place.disk.renameSync(`${ROOT}/away`, folder);
      place.isLinked = false;
    });
  }

  #lose(place: Place, what: 'documents' | 'marker' | 'root', resume: 'restore' | 'delete', ms: number): void {
    if (!this.#isUsable(place)) return;
    this.#finishAll(place);
    const { disk } = place;
    if (what === 'marker' && disk.lstatSync(`${ROOT}/.aachat/marker`) !== undefined) {
      disk.unlinkSync(`${ROOT}/.aachat/marker`);
    }
    if (what === 'documents') {
      for (const path of [...filesIn(disk, `${ROOT}/acme`).values()]) this.ledger.lower(wordsOf(path), 'taken out');
      removeAll(disk, `${ROOT}/acme`);
    }
    if (what === 'root') {
      // The server may have the half of what was saved last, in a file that may have lost its place by now.
      const texts = [`${ROOT}/acme`, `${ROOT}/.aachat/aside`].flatMap((folder) => [...filesIn(disk, folder).values()]);
      const known = new Set(DOCUMENTS.flatMap((path) => this.server.history(path)));
      this.ledger.lower(texts.filter((text) => !known.has(text)).flatMap(wordsOf), 'overwritten');
      // Nobody but this place had them.
      this.ledger.lower(this.#own(place, [...this.ledger.words.keys()].join(' ')), 'taken out');
      removeAll(disk, ROOT);
    }
    // A folder that lost its memory deletes nothing by itself.
    for (const path of DOCUMENTS) if (what === 'documents') this.ledger.allow(path, null);
    if (what !== 'marker') this.ledger.allowed += DOCUMENTS.length;
    this.#forAWhile(ms, () => {
      const { mirror } = place;
      if (mirror?.status().state !== 'stopped') return;
      if (resume === 'delete') {
        // Whatever went, by this step or by another one.
        this.ledger.lower(DOCUMENTS.flatMap((path) => this.server.openConflicts(path)).flatMap(wordsOf), 'overwritten');
        const gone = DOCUMENTS.filter((path) => readText(disk, `${ROOT}/${path}`) === undefined);
        for (const path of gone) this.ledger.allow(path, null);
        // What this place knew of them may be older than what the server says by now.
        this.ledger.lower(gone.flatMap((path) => this.server.history(path)).flatMap(wordsOf), 'overwritten');
        this.ledger.lower(
          gone.flatMap((path) => wordsOf(this.server.text(path) ?? '')),
          'taken out',
        );
      }
      mirror.resume(resume).catch(() => {});
    });
  }
}

export function conflictFiles(place: Place): string[] {
  return [...filesIn(place.disk, `${ROOT}/acme`).keys()]
    .map((file) => file.slice(ROOT.length + 1))
    .filter((path) => GRAMMAR.classify(path).kind === 'conflict');
}

/** Path → text of every file below a folder that can be read. */
export function filesIn(disk: Place['disk'], folder: string, found = new Map<string, string>()): Map<string, string> {
  if (disk.lstatSync(folder)?.isDirectory() !== true) return found;
  for (const entry of disk.readdirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    const text = readText(disk, path);
    if (entry.isDirectory()) filesIn(disk, path, found);
    else if (text !== undefined) found.set(path, text);
  }
  return found;
}

export const keptTexts = ({ disk }: Place): string[] => [...filesIn(disk, KEPT).values()];

function removeAll(disk: Place['disk'], path: string): void {
  const stats = disk.lstatSync(path);
  if (stats === undefined) return;
  if (stats.isDirectory()) {
    for (const { name } of disk.readdirSync(path)) removeAll(disk, `${path}/${name}`);
    disk.rmdirSync(path);
  } else disk.unlinkSync(path);
}
