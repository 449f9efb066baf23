"""Completion in bash, which takes ``@``, ``:`` and ``=`` for the ends of words: ``bot@1.4.0`` is three words to it.

In: the line up to the cursor, as it was typed. Out: what comes after the last of those characters, which is all that
bash puts in. click's own script hands over bash's words, and offers the whole reference after the part that stands.
"""

from __future__ import annotations

from click.shell_completion import BashComplete, add_completion_class

# COMP_CWORD counts in Python here: -1 is the last word, and 9999 one that has not been begun.
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
    """bash, with references in one piece."""

    source_template = _SOURCE


def register() -> None:
    """Make it what click takes for bash."""
    add_completion_class(Bash)
