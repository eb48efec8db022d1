# SPDX-License-Identifier: ISC

# What bash and zsh have in common. Above, made from the rows that also make pond --help, stand:
#   _pond_commands, _pond_common          "word:what it is": the commands, and every one's options
#   _pond_common_values                   "option:KIND": those that want a value
#   _pond_row COMMAND                     fills _pond_options, _pond_values, and _pond_words, the
#                                         kinds of the words behind the command

# _pond_kind_of WORD LIST...: prints what stands behind "WORD:" in the list.
_pond_kind_of()
{
    local word=$1 one
    shift
    for one; do
        if [[ ${one%%:*} == "$word" ]]; then
            printf '%s' "${one#*:}"
            return
        fi
    done
}

# _pond_read WORDS...: what was typed before the word at the cursor. Sets _pond_command, _pond_kind
# (what is wanted at the cursor: a KIND; "command"; empty: nothing), _pond_dashes (where an option
# may stand there), and _pond_where: options by which the daemon is found.
_pond_read()
{
    local word value='' option='' place=0
    _pond_command='' _pond_dashes=yes _pond_where=()
    _pond_row ''
    for word; do
        if [[ -n $value ]]; then
            if [[ $option == -c || $option == --home || $option == --config ]]; then
                _pond_where+=("$option" "$word")
            fi
            value=''
        elif [[ -n $_pond_dashes && $word == -- ]]; then
            _pond_dashes=''
        elif [[ -n $_pond_dashes && $word == -?* ]]; then
            option=$word
            value=$(_pond_kind_of "$word" "${_pond_values[@]}" "${_pond_common_values[@]}")
        elif [[ -z $_pond_command ]]; then
            _pond_command=$word
            _pond_row "$word"
        else
            place=$((place + 1))
        fi
    done
    _pond_kind=$value
    if [[ -n $value ]]; then
        _pond_dashes=''
    elif [[ -z $_pond_command ]]; then
        _pond_kind=command
    else
        for word in "${_pond_words[@]}"; do
            if [[ $place == 0 ]]; then _pond_kind=$word; fi
            place=$((place - 1))
        done
    fi
}

# _pond_names TYPED: the names that begin with it, with the domain or without, as it was typed; of
# those in folders the next folder alone.
_pond_names()
{
    local rest=${1##*/}
    pond "${_pond_where[@]}" ls "${1%"$rest"}" 2>/dev/null |
        POND_TYPED=$1 awk -F '  +' '
            {
                typed = ENVIRON["POND_TYPED"]
                name = $NF
                domain = substr(name, 1, index(name, "/"))
                if (index(typed, domain) != 1)
                    name = substr(name, length(domain) + 1)
                if (index(name, typed) != 1)
                    next
                behind = substr(name, length(typed) + 1)
                slash = index(behind, "/")
                if (slash)
                    name = typed substr(behind, 1, slash)
                if (!(name in seen))
                    print name
                seen[name] = 1
            }'
}

_pond_tiers()
{
    pond "${_pond_where[@]}" status --json 2>/dev/null |
        sed -n 's/^.*"tier": *"\([^"]*\)".*$/\1/p'
}
