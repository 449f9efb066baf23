"""Completion in bash, which ends a word at ``@``, ``:`` and ``=``: it reads ``bot@1.4.0`` as three words.

In: the line up to the cursor, as it was typed. Out: what follows the last of those characters, because bash inserts
only that. click's own script would insert the whole reference after the part that is typed already.
"""

from __future__ import annotations

from click.shell_completion import BashComplete, add_completion_class

# COMP_CWORD is a Python index here: -1 is the last word, and 9999 (beyond any line) a word that has not begun.
_SOURCE = r"""
%(complete_func)s() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" place=-1 completion type value sign
    [[ $line == *[[:space:]] ]] && place=9999
    local word="${line##*[[:space:]]}"
    local rest="$word"
    for sign in @ : =; do
        [[ $COMP_WORDBREAKS == *"$sign"* ]] && rest="${rest##*"$sign"}"
    done
    local before="${word%%"$rest"}"
    for completion in $(env COMP_WORDS="$line" COMP_CWORD=$place %(complete_var)s=bash_complete "$1" 2>/dev/null); do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) COMPREPLY=(); compopt -o dirnames ;;
            file) COMPREPLY=(); compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Completion for bash that keeps a reference in one piece."""

    source_template = _SOURCE


def register() -> None:
    """Register it with click in place of click's own."""
    add_completion_class(Bash)
