# SPDX-License-Identifier: ISC

_pond()
{
    local typed=$words[CURRENT] names
    local -a lines _pond_where _pond_options _pond_values _pond_words
    local _pond_command _pond_kind _pond_dashes

    _pond_read "${(@Q)words[2,CURRENT-1]}"
    if [[ -n $_pond_dashes && $typed == -* ]]; then
        _pond_options+=("${_pond_common[@]}")
        _describe -o option _pond_options
        return
    fi
    case $_pond_kind in
    command) _describe command _pond_commands ;;
    FILE) _files ;;
    FOLDER) _files -/ ;;
    NAME | PREFIX)
        if [[ $words[CURRENT-1] == --host ]]; then return 1; fi
        lines=("${(@f)$(_pond_names "${(Q)typed}")}")
        compadd -q -S '' -- ${(M)lines:#*/}
        compadd -- ${lines:#*/} ;;
    TIER) compadd -- ${(f)"$(_pond_tiers)"} ;;
    LEVEL) compadd -- error warn info debug ;;
    new) compadd -- new ;;
    *) return 1 ;;
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pond "$@"; else compdef _pond pond; fi
