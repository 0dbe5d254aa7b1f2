/** What must hold when everything was mended and time has passed: the promises of `src/sync/SPEC.md`. */
import { pass } from './clock.ts';
import { wordsOf } from './people.ts';
import { OUTSIDE, type Place, ROOT } from './place.ts';
import { conflictFiles, DOCUMENTS, filesIn, keptTexts, type World } from './world.ts';

const MINUTE = 60_000;
/** Far less than until the next walk. */
const SOON = 2_000;

export async function complaintsAtRest(world: World): Promise<string[]> {
  world.heal();
  const { places, server } = world;
  // Old files that lie aside are looked at for a minute, and walks find what nobody told.
  await pass(2 * MINUTE);
  if (!(await comesToRest(world))) return [`S28: it does not come to rest: ${JSON.stringify(places.map(statusOf))}`];
  await pass(4 * MINUTE);
  const wrong = [...notEqual(world), ...notKept(world), ...notSaved(world), ...places.flatMap((one) => one.wrong)];

  const before = places.map(({ changes }) => changes);
  const versions = server.versions;
  await pass(2 * MINUTE);
  for (const [index, { name, changes }] of places.entries()) {
    if (changes !== before[index]) wrong.push(`S5: ${name} changes its disk at rest`);
  }
  if (server.versions !== versions) wrong.push('S5: versions are made at rest');
  if (versions > world.ledger.allowed) wrong.push(`S5: ${versions} versions of ${world.ledger.allowed} saves`);

  const visible = places.map(({ visibleChanges }) => visibleChanges);
  for (const place of places) {
    await place.stop();
    place.start();
  }
  await pass(2 * MINUTE);
  for (const [index, { name, visibleChanges }] of places.entries()) {
    if (visibleChanges !== visible[index]) wrong.push(`S25: ${name} writes after a start with nothing changed`);
  }
  if (server.versions !== versions) wrong.push('S25: a start with nothing changed makes versions');

  for (const [index, path] of conflictFiles(places[0] as Place).entries()) {
    places[index % places.length]?.disk.unlinkSync(`${ROOT}/${path}`);
  }
  await pass(2 * MINUTE);
  if (places.some((place) => conflictFiles(place).length > 0)) wrong.push('S12: a settled conflict stays');
  return [...wrong, ...notEqual(world), ...(await notHeard(world))];
}

/** S13, S15: a save is shared at once, also where nothing was heard of what the mirror itself wrote before. */
async function notHeard(world: World): Promise<string[]> {
  const edit = { how: 'insert', at: 0 } as const;
  for (const [place] of world.places.entries()) await world.run({ do: 'hints', place, how: 'missing' });
  await world.run({ do: 'save on server', document: 0, edit });
  await pass(SOON);
  for (const [place] of world.places.entries()) {
    await world.run({ do: 'hints', place, how: 'prompt' });
    await world.run({ do: 'save', place, document: 0, way: 'append', edit, pausesMs: [] });
    await pass(SOON);
  }
  return notEqual(world).map((complaint) => `${complaint}, soon after a save`);
}

const statusOf = ({ mirror }: Place) => mirror?.status();

async function comesToRest({ places }: World): Promise<boolean> {
  for (let count = 0; count < 60; count += 1) {
    await pass(5_000);
    for (const place of places)
      if (statusOf(place)?.state === 'stopped') place.mirror?.resume('restore').catch(() => {});
    if (places.every((place) => statusOf(place)?.state === 'in sync')) return true;
  }
  return false;
}

/** S1, S20, S28: every mirror says that it is in sync, and is. */
function notEqual({ places, server }: World): string[] {
  const wrong: string[] = [];
  for (const place of places) {
    const status = statusOf(place);
    if (status?.state !== 'in sync' || status.problems.length > 0) {
      wrong.push(`S28: ${place.name} is not in sync: ${JSON.stringify(status)}`);
    }
    for (const path of DOCUMENTS) {
      const file = `${ROOT}/${path}`;
      const [found, wanted] = [filesIn(place.disk, ROOT).get(file), server.text(path)];
      if (found !== wanted)
        wrong.push(`S1: ${path} in ${place.name} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
    }
    const shown = conflictFiles(place).map((path) => filesIn(place.disk, ROOT).get(`${ROOT}/${path}`) ?? '');
    const open = DOCUMENTS.flatMap((path) => server.openConflicts(path));
    if (JSON.stringify(shown.toSorted(byText)) !== JSON.stringify(open.toSorted(byText))) {
      wrong.push(`S12: ${place.name} shows other conflicts than there are`);
    }
    if (filesIn(place.disk, OUTSIDE).size > 0) wrong.push(`S20: ${place.name} wrote outside of its folder`);
  }
  return wrong;
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

/** S4, S8, S9: no word is lost. */
function notKept({ ledger, places, server }: World): string[] {
  const aside = [...DOCUMENTS.flatMap((path) => server.openConflicts(path)), ...places.flatMap(keptTexts)];
  const told = new Set([...server.all().values(), ...aside].flatMap(wordsOf));
  const anywhere = new Set([...told, ...DOCUMENTS.flatMap((path) => server.history(path)).flatMap(wordsOf)]);
  const wrong: string[] = [];
  for (const [word, { isSaved, fate, path, place, how }] of ledger.words) {
    const isThere = fate === 'taken out' || (fate === 'told' ? told : anywhere).has(word);
    if (isSaved && !isThere) wrong.push(`S4: ${word} of ${path}, saved in ${place} (${how}), is lost`);
  }
  for (const word of told) if (!ledger.known.has(word)) wrong.push(`S14: nobody wrote ${word}`);
  return wrong;
}

/** S14, S23: what was handed in was saved by somebody, as a whole. */
function notSaved({ ledger, network }: World): string[] {
  const pushed = network.pushed.filter(({ path }) => DOCUMENTS.includes(path));
  return [
    ...pushed
      .filter(({ path, text }) => ledger.isPart(path, text))
      .map(({ path, text }) => `S14: a part of a save of ${path} was handed in: ${JSON.stringify(text)}`),
    ...pushed
      .filter(({ path, text }) => text === null && !ledger.mayBe(path, text) && !ledger.isPart(path, text))
      .map(({ path }) => `S23: ${path} was deleted by nobody`),
  ];
}
