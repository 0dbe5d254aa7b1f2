/**
 * Which messages between two agents say nothing new: words of thanks and agreement, and what was said word for word
 * before. Pure, and in doubt a message says something: one word that is not known to be empty is enough.
 */

/** Longer ones say more than thanks. */
const LONGEST = 240;

/** Whatever stands beside these, a message with one of them is more than polite: questions, numbers, code, places. */
const CONTENT = /[?？¿؟;՞\p{N}`/\\#=<>|{}[\]$€£%_*+]|\p{L}[.:]\p{L}/u;

/** Each of these makes a message an acknowledgement, if nothing but these and `FILLERS` is in it. */
const ACKNOWLEDGEMENTS = [
  // English
  'thanks|thank you|thx|ty|many thanks|thanks a lot|thanks a million|thank you kindly|much appreciated|appreciated',
  'i appreciate it|i appreciate that|really appreciate it|appreciate it|appreciate that|cheers|ok|okay|okey|k|kk|alright',
  'got it|gotcha|understood|noted|roger|roger that|copy|copy that|ack|acknowledged|will do|on it|sounds good|sounds great',
  'that sounds good|that sounds great|looks good|looks great|sure|sure thing|of course|absolutely|certainly|definitely',
  'agreed|i agree|exactly|great|perfect|excellent|awesome|wonderful|amazing|fantastic|brilliant|nice|cool|good|lovely',
  'great job|good job|nice job|great work|good work|nice work|well done|great stuff|good stuff|all good|makes sense',
  'that makes sense|fair enough|you are welcome|youre welcome|welcome|no problem|no worries|not a problem|my pleasure',
  'pleasure|any time|anytime|dont mention it|happy to help|glad to help|glad i could help|glad that helped|glad to hear it',
  'glad to hear that|happy to hear it|happy to hear that|likewise|same here|you too|same to you|and you too|yep|yup|yeah',
  'bye|goodbye|see you|talk soon|talk later|take care|standing by|have a great day|have a good day|have a nice day|ditto',
  // German
  'danke|danke schön|danke dir|danke euch|vielen dank|vielen lieben dank|besten dank|herzlichen dank|tausend dank|dankeschön',
  'bitte|bitte schön|bitteschön|bitte sehr|gern|gerne|gern geschehen|gerne geschehen|sehr gern|sehr gerne|kein problem',
  'keine ursache|nichts zu danken|alles klar|alles gut|verstanden|in ordnung|mach ich|mache ich|wird gemacht|passt|klar',
  'klingt gut|hört sich gut an|super|prima|toll|perfekt|genau|einverstanden|stimmt|gut|sehr gut|notiert|freut mich|tschüss',
  // French
  'merci|merci beaucoup|merci bien|mille mercis|de rien|avec plaisir|je vous en prie|je ten prie|pas de problème|pas de souci',
  'daccord|entendu|compris|bien compris|bien reçu|parfait|super|très bien|bien|génial|ça marche|cest noté|noté|bien sûr',
  'excellent|je men occupe|au revoir|à bientôt',
  // Spanish
  'gracias|muchas gracias|mil gracias|de nada|con gusto|con mucho gusto|no hay de qué|no hay problema|vale|de acuerdo',
  'entendido|perfecto|genial|claro|claro que sí|por supuesto|muy bien|bien|estupendo|excelente|listo entonces|anotado|adiós',
  'suena bien|está bien|lo haré|igualmente|hasta luego',
  // Portuguese
  'obrigado|obrigada|muito obrigado|muito obrigada|valeu|por nada|de nada|disponha|combinado|entendido|perfeito|beleza|ótimo',
  'está bem|tudo bem|tudo certo|com certeza|claro|igualmente|até logo|sem problema|sem problemas',
  // Italian
  'grazie|grazie mille|molte grazie|prego|di niente|di nulla|va bene|daccordo|capito|perfetto|ottimo|benissimo|certo|certamente',
  'figurati|con piacere|altrettanto|ricevuto|a presto|ciao|nessun problema',
  // Dutch
  'bedankt|dank je|dank je wel|dankjewel|dank u|hartelijk dank|graag gedaan|geen probleem|begrepen|prima|akkoord|goed|top',
  'komt goed|doe ik|mooi|tot ziens',
  // Polish, Turkish, Swedish
  'dzięki|dziękuję|dziękuję bardzo|proszę bardzo|nie ma za co|rozumiem|jasne|dobrze|świetnie|zrozumiano',
  'teşekkürler|teşekkür ederim|çok teşekkürler|rica ederim|tamam|anlaşıldı|harika|tabii',
  'tack|tack så mycket|varsågod|okej|uppfattat|inga problem|toppen',
  // Russian, Ukrainian
  'спасибо|спасибо большое|большое спасибо|благодарю|пожалуйста|не за что|хорошо|понял|поняла|понятно|принято|ладно|отлично|ок|окей',
  'договорились|конечно|сделаю|рад помочь|рада помочь|ясно|супер|дякую|будь ласка|добре|зрозуміло|прийнято',
  // Arabic, Hindi
  'شكرا|شكرا لك|شكرا جزيلا|عفوا|حسنا|تمام|مفهوم|धन्यवाद|शुक्रिया|ठीक है|समझ गया',
  // Japanese, Chinese, Korean
  'ありがとうございました|ありがとうございます|ありがとう|どういたしまして|了解です|了解しました|了解いたしました|了解|承知しました|承知いたしました|わかりました|分かりました|はい|お疲れ様です|お疲れさまです|いえいえ|こちらこそ',
  '谢谢你|谢谢|謝謝|多谢|感谢|不客气|不客氣|不用谢|好的|好|收到|明白了|明白|知道了|没问题|沒問題|了解了|可以|辛苦了',
  '감사합니다|감사해요|고맙습니다|고마워요|고마워|천만에요|네|예|알겠습니다|알겠어요|알았어요|확인했습니다|좋습니다|좋아요',
];

/** May stand in an acknowledgement, and make none. */
const FILLERS = [
  'so much|very much|a lot|again|as well|too|then|all|everyone|both|team|buddy|friend|folks|mate|now|for now|indeed|really|very|so',
  'much|and|for that|for this|for it|for the help|for your help|for all your help|for helping|for letting me know|for confirming',
  'for the confirmation|for the update|for the heads up|for the quick reply|for the quick response|for your reply|its|it is|thats',
  'that is|this is|oh|ah|wow|hey|hi|hello|yes|let me know|let me know if you need anything|let me know if you need anything else',
  'just let me know|if you need anything|if you need anything else|if anything else comes up|if anything comes up|feel free to reach out',
  'reach out any time|im here|i am here|im here if you need me|im here to help|ill be here|whenever you need me|looking forward to it',
  'im|i am|to you|from me|on my side|from my side|glad|happy|thank|nothing else from me|nothing more from me|talk to you soon',
  'sehr|nochmal|nochmals|auch|dann|dir|euch|ihnen|dir auch|euch auch|und|für die hilfe|für deine hilfe|ja|ganz|lieben|schön|das ist',
  'beaucoup|à toi|à vous|aussi|encore|et|pour ton aide|pour votre aide|oui|très',
  'a ti|a usted|también|mucho|muy|y|por tu ayuda|por la ayuda|sí|a você|também|muito|e|pela ajuda|sim|a te|anche|molto|ancora|sì',
  'heel|erg|ook|ja hoor|и|тоже|очень|да|вам|тебе|どうも|本当に|です|ね|了|的|啊|吧|呢|你|您|非常|很',
];

/** Pictures that say no more than thanks. Others, such as 👎 or ❌, are answers. */
const PICTURES = '👍👌🙏🎉😊🙂😀😁😃😄😅😉😎🤗🤩🥳🥰😍❤🧡💛💚💙💜💯🚀👏🤝✨💪🙌🫡☺👋🌟⭐🔥🎊';

const EMPTY_WORDS = new Map<string, 'acknowledgement' | 'filler'>([
  ...phrases(FILLERS).map((phrase) => [phrase, 'filler'] as const),
  ...phrases(ACKNOWLEDGEMENTS).map((phrase) => [phrase, 'acknowledgement'] as const),
]);
const LONGEST_PHRASE = Math.max(...[...EMPTY_WORDS.keys()].map((phrase) => phrase.length));

function phrases(lists: readonly string[]): readonly string[] {
  return lists.flatMap((list) => list.split('|')).map((phrase) => phrase.normalize('NFKC'));
}

const MENTION = /@[a-z0-9][a-z0-9.-]*[a-z0-9]|@[a-z0-9]/giu;
const PICTURE = new RegExp(`[${PICTURES}]|[\\u{1F3FB}-\\u{1F3FF}\\uFE0F\\u200D]`, 'gu');

/** In one case and form, without those it is for and without what is only polite to look at. */
const plainWords = (body: string): string =>
  body
    .normalize('NFKC')
    .toLowerCase()
    .replace(MENTION, ' ')
    .replace(PICTURE, ' ')
    .replace(/['’‘]/gu, '')
    .replace(/[.,!¡…"“”„。，！、~〜]|(?<=^|\s)[-–—:)(]+(?=\s|$)|:(?=\s|$)/gu, ' ')
    .replace(/\s+/gu, ' ')
    .trim();

/** Whether a message only thanks, agrees, or confirms that it was heard. */
export function isAcknowledgement(body: string): boolean {
  if (body.length > LONGEST) return false;
  // Names of agents may hold digits.
  if (CONTENT.test(body.normalize('NFKC').replace(MENTION, ' '))) return false;
  const words = plainWords(body);
  if (words === '') return new RegExp(PICTURE.source, 'u').test(body);
  let polite = false;
  for (let at = 0; at < words.length; ) {
    if (words[at] === ' ') {
      at += 1;
      continue;
    }
    const phrase = phraseAt(words, at);
    if (phrase === undefined) return false;
    polite ||= EMPTY_WORDS.get(phrase) === 'acknowledgement';
    at += phrase.length;
  }
  return polite;
}

/** Scripts that write without spaces: there a phrase may end anywhere. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u;

function phraseAt(words: string, at: number): string | undefined {
  for (let length = Math.min(LONGEST_PHRASE, words.length - at); length > 0; length -= 1) {
    const phrase = words.slice(at, at + length);
    const next = words[at + length];
    if (next !== undefined && next !== ' ' && !UNSPACED.test(phrase)) continue;
    if (EMPTY_WORDS.has(phrase)) return phrase;
  }
  return undefined;
}

export interface IdleRun {
  /** How many of the newest messages, in a row, said nothing new. */
  readonly length: number;
  readonly because: 'acknowledgement' | 'repetition';
}

/** @param bodies what two agents said to each other, oldest first */
export function idleRun(bodies: readonly string[]): IdleRun {
  const said = bodies.map(plainWords);
  let length = 0;
  let because: IdleRun['because'] = 'acknowledgement';
  for (let index = bodies.length - 1; index >= 0; index -= 1, length += 1) {
    if (isAcknowledgement(bodies[index] ?? '')) continue;
    if (said.indexOf(said[index] ?? '') === index) break;
    because = 'repetition';
  }
  return { length, because };
}

/** So many in a row, and two agents only keep each other awake. */
export const IDLE_LIMIT = 4;
/** Until a cooldown is over, what answers such a message with another one is held back at once. */
export const COOLED_LIMIT = 2;
