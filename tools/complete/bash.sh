# SPDX-License-Identifier: ISC

# _pond_from LINES TYPED: those that begin as the word at the cursor does, quoted. Not by
# compgen -W: that runs what stands in them as $(a command).
_pond_from()
{
    local one
    COMPREPLY=()
    while read -r one; do
        if [[ -n $one && $one == "$2"* ]]; then COMPREPLY+=("$(printf %q "$one")"); fi
    done <<<"$1"
}

_pond()
{
    local typed=${COMP_WORDS[COMP_CWORD]} IFS=$'\n'
    local _pond_command _pond_kind _pond_dashes _pond_where _pond_options _pond_values _pond_words

    _pond_read "${COMP_WORDS[@]:1:COMP_CWORD-1}"
    COMPREPLY=()
    if [[ -n $_pond_dashes && $typed == -* ]]; then
        _pond_options+=("${_pond_common[@]}")
        _pond_from "${_pond_options[*]%%:*}" "$typed"
        return
    fi
    case $_pond_kind in
    command) _pond_from "${_pond_commands[*]%%:*}" "$typed" ;;
    FILE) compopt -o filenames && COMPREPLY=($(compgen -f -- "$typed")) ;;
    FOLDER) compopt -o filenames && COMPREPLY=($(compgen -d -- "$typed")) ;;
    NAME | PREFIX)
        if [[ ${COMP_WORDS[COMP_CWORD-1]} == --host ]]; then return; fi
        compopt -o filenames
        mapfile -t COMPREPLY < <(_pond_names "$typed") # as they are, were they patterns of files
        if [[ ${COMPREPLY[0]} == */ ]]; then compopt -o nospace; fi ;;
    TIER) _pond_from "$(_pond_tiers)" "$typed" ;;
    LEVEL) _pond_from $'error\nwarn\ninfo\ndebug' "$typed" ;;
    new) _pond_from new "$typed" ;;
    esac
}

complete -F _pond pond
