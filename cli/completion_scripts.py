"""The scripts that make a shell complete ``release-ledger``.

They ask the program itself (``cli/completing.py``), so a new command needs no new script.
"""

from collections.abc import Mapping
from enum import StrEnum


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"


# Bash breaks words at @, = and : too. They are glued for the question, and what stands before the break is cut
# off the answer; readline counts an @ to the word behind it.
_BASH = r"""# bash completion of release-ledger: eval "$(release-ledger completion bash)"
_release_ledger() {
  local word line glued='' cur="${COMP_WORDS[COMP_CWORD]}" i
  local -a words=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((${#words[@]})) && [[ -n $glued || $word == [@=:]* ]]; then
      words[${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    if [[ $word == [@=:] ]]; then glued=yes; else glued=''; fi
  done
  [[ $cur == [=:] ]] && cur=''
  ((COMP_CWORD)) && [[ ${COMP_WORDS[COMP_CWORD-1]} == @ ]] && cur="@$cur"
  local whole="${words[${#words[@]}-1]}"
  local cut="${whole%"$cur"}"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
    else
      line=${line%%$'\t'*}
      COMPREPLY+=("${line#"$cut"}")
    fi
  done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -F _release_ledger release-ledger
"""
_ZSH = r"""#compdef release-ledger
# zsh completion of release-ledger: eval "$(release-ledger completion zsh)" behind compinit
_release_ledger() {
  local line name about
  local -a shown
  for line in "${(@f)$("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
    elif [[ -n $line ]]; then
      name=${line%%$'\t'*}
      about=${line#*$'\t'}
      shown+=("${name//:/\\:}${about:+:$about}")
    fi
  done
  (( $#shown )) && _describe -V release-ledger shown
}
if [[ $funcstack[1] == _release_ledger ]]; then
  _release_ledger "$@"
else
  compdef _release_ledger release-ledger
fi
"""

SCRIPTS: Mapping[Shell, str] = {Shell.BASH: _BASH, Shell.ZSH: _ZSH}
