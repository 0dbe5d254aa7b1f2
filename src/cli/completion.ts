/**
 * What shells complete, as a script for each: made from the program itself, so that nothing is written twice. A script
 * has all words in it and never starts the program.
 */
import type { Command } from 'commander';

export type Shell = 'bash' | 'zsh' | 'fish';

interface Word {
  /** A command, a value, or an option with its dashes. */
  readonly text: string;
  readonly description: string;
  /** What stands after it is its value. */
  readonly takesValue: boolean;
}

/** What may follow a command. */
interface Place {
  /** `project send`; empty: the program itself. */
  readonly path: string;
  readonly words: readonly Word[];
}

export function completionScript(program: Command, shell: Shell): string {
  return WRITERS[shell](program.name(), placesOf(program, []));
}

function placesOf(command: Command, path: readonly string[]): readonly Place[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command);
  const values = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const words = [
    ...children.flatMap((child) => namesOf(child).map((text) => word(text, help.subcommandDescription(child)))),
    ...values.map((text) => word(text, '')),
    ...help
      .visibleOptions(command)
      .flatMap(({ short, long, description, required, optional }) =>
        [short, long].flatMap((text) => (text === undefined ? [] : [word(text, description, required || optional)])),
      ),
  ];
  const below = children.flatMap((child) => namesOf(child).flatMap((name) => placesOf(child, [...path, name])));
  return [{ path: path.join(' '), words }, ...below];
}

const namesOf = (command: Command): readonly string[] => [command.name(), ...command.aliases()];

const word = (text: string, description: string, takesValue = false): Word => ({ text, description, takesValue });

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const WRITERS: Readonly<Record<Shell, (name: string, places: readonly Place[]) => string>> = {
  bash: (name, places) => `# Completion of ${name} for bash.
_${name}_words() {
  case $1 in
${places.map(({ path, words }) => `    ${quote(path)}) printf %s ${quote(words.map(({ text, takesValue }) => (takesValue ? `${text}=` : text)).join(' '))} ;;`).join('\n')}
  esac
}
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} at='' word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != -* && " $(_${name}_words "$at") " == *" $word "* ]] && at="\${at:+$at }$word"
  done
  words=$(_${name}_words "$at")
  COMPREPLY=()
  [[ " $words " == *" $before= "* ]] && return
  COMPREPLY=($(compgen -W "\${words//=/}" -- "$current"))
}
complete -o default -F _${name} ${name}
`,
  zsh: (name, places) => `#compdef ${name}
# Completion of ${name} for zsh.
_${name}_words() {
  names=() values=()
  case $1 in
${places
  .map(
    ({ path, words }) =>
      `    ${quote(path)})\n      names=(${words.map(({ text, description }) => quote(`${text}:${description}`)).join(' ')})\n      values=(${words.flatMap(({ text, takesValue }) => (takesValue ? [quote(text)] : [])).join(' ')}) ;;`,
  )
  .join('\n')}
  esac
}
_${name}() {
  local at='' word
  local -a names values
  for word in "\${(@)words[2,CURRENT-1]}"; do
    _${name}_words "$at"
    [[ $word != -* && -n \${(M)names:#$word:*} ]] && at="\${at:+$at }$word"
  done
  _${name}_words "$at"
  if (( \${values[(Ie)\${words[CURRENT-1]}]} )); then
    _files
  else
    _describe -o ${name} names || _files
  fi
}
if [[ \${funcstack[1]} == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`,
  fish: (name, places) => `# Completion of ${name} for fish.
function __${name}_at
  set -l words (commandline -opc)
  set -e words[1]
  set -l at
  for word in $words
    set -l next (string join ' ' -- $at $word)
    contains -- "$next" ${places.flatMap(({ path }) => (path === '' ? [] : [quote(path)])).join(' ')}; and set at $next
  end
  test "$at" = "$argv[1]"
end
${places
  .flatMap(({ path, words }) =>
    words.map(({ text, description, takesValue }) => {
      const kind = text.startsWith('--') ? '-l' : text.startsWith('-') ? '-s' : '-f -a';
      const value = takesValue ? ' -r' : '';
      return `complete -c ${name} -n ${quote(`__${name}_at ${quote(path)}`)} ${kind} ${quote(text.replace(/^-+/, ''))}${value} -d ${quote(description)}`;
    }),
  )
  .join('\n')}
`,
};
