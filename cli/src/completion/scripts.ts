/**
 * What a shell loads. The scripts know no verb: each press of the key asks `circusctl __complete`, so that what they
 * offer is always what this version takes and this agent runs. Pure.
 */
import { COMPLETE_WORD } from "../verbs.ts";
import type { SHELLS } from "./wanted.ts";

/** The answer's last line where a path is wanted. */
export const FILES = ":files";

const BASH = `# bash completion for circusctl. In ~/.bashrc: source <(circusctl completion bash)
_circusctl() {
    local line=\${COMP_LINE:0:COMP_POINT} candidate breaks="" word
    COMPREPLY=()
    # What bash replaces begins behind the last of these signs, not at the word's begin.
    word=\${line##*[[:space:]]}
    case $COMP_WORDBREAKS in *[:=]*) breaks=\${word%"\${word##*[:=]}"} ;; esac
    while IFS=$'\\t' read -r candidate _; do
        if [[ $candidate == "${FILES}" ]]; then
            compopt -o default 2>/dev/null
            COMPREPLY=()
            return
        fi
        printf -v candidate '%q' "$candidate"
        COMPREPLY+=("\${candidate#"$breaks"}")
    done < <("\${COMP_WORDS[0]}" ${COMPLETE_WORD} --line "$line" 2>/dev/null)
}
complete -F _circusctl circusctl
`;

const ZSH = `#compdef circusctl
# zsh completion for circusctl. As a file _circusctl in a directory of $fpath, or in ~/.zshrc behind compinit:
# source <(circusctl completion zsh)
_circusctl() {
    local -a answer found
    local one
    answer=("\${(@f)$("\${words[1]}" ${COMPLETE_WORD} "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for one in "\${answer[@]}"; do
        [[ -n $one ]] || continue
        if [[ $one == "${FILES}" ]]; then
            _files
            return
        fi
        # candidate TAB text: _describe wants a colon between, and a backslash before those of the candidate.
        found+=("\${\${one%%$'\\t'*}//:/\\\\:}:\${one#*$'\\t'}")
    done
    _describe 'circusctl' found
}
if [[ $funcstack[1] == _circusctl ]]; then
    _circusctl "$@"
else
    compdef _circusctl circusctl
fi
`;

const FISH = `# fish completion for circusctl. As ~/.config/fish/completions/circusctl.fish, or: circusctl completion fish | source
function __circusctl_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($before[1] ${COMPLETE_WORD} $before[2..-1] "$current" 2>/dev/null)
    if test "$answer[1]" = "${FILES}"
        __fish_complete_path "$current"
    else
        printf '%s\\n' $answer
    end
end
complete -c circusctl -f -a '(__circusctl_complete)'
`;

export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = { bash: BASH, zsh: ZSH, fish: FISH };
