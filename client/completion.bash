
# What the daemon says within a second to a verb, asked as the line that is being typed asks; nothing where it does not.
_backfillctl_ask()
{
    local -a where=()
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -u | --url | --token-file | --cacert)
            # "--url=http://…" comes as several words
            if [[ ${COMP_WORDS[i + 1]:-} == = ]]; then
                where+=("${COMP_WORDS[i]}" "$(_backfillctl_joined $((i + 2)))")
            else
                where+=("${COMP_WORDS[i]}" "$(_backfillctl_joined $((i + 1)))")
            fi
            ;;
        esac
    done
    timeout 1 "${COMP_WORDS[0]}" "${where[@]}" --json "$@" 2>/dev/null </dev/null
}

# bash cuts words at ":" and "=": the one that begins at word $1, whole.
_backfillctl_joined()
{
    local i=$1 word=${COMP_WORDS[$1]:-}
    while ((i + 2 < COMP_CWORD)) && [[ ${COMP_WORDS[i + 1]:-} == : ]]; do
        word+=:${COMP_WORDS[i + 2]}
        ((i += 2))
    done
    echo "$word"
}

# Names of jobs; a job begins with its id and its name.
_backfillctl_jobs()
{
    _backfillctl_ask list --limit 500 | grep -o '{"id":"[0-9A-Z]*","name":"[a-z0-9._-]*"' | cut -d '"' -f 8 | sort -u
}

_backfillctl_targets()
{
    _backfillctl_ask targets | grep -o '{"name":"[A-Za-z0-9._-]*","engine"' | cut -d '"' -f 4
}

# Ids of jobs that targets know and the daemon does not: what can be adopted.
_backfillctl_foreign()
{
    _backfillctl_ask targets | grep -o '"foreign_jobs":\[[^]]*' | grep -o '{"id":"[0-9A-Z]*"' | cut -d '"' -f 4
}

_backfillctl_replicas()
{
    _backfillctl_ask targets | grep -o '{"name":"[A-Za-z0-9._:-]*","state"' | cut -d '"' -f 4 | sort -u
}

# COMPREPLY for a word $2 of the kind $1, as the tables call it.
_backfillctl_complete()
{
    case $1 in
    JOB) COMPREPLY=($(compgen -W "$(_backfillctl_jobs)" -- "$2")) ;;
    FOREIGN) COMPREPLY=($(compgen -W "$(_backfillctl_foreign)" -- "$2")) ;;
    TARGET | TARGETS) COMPREPLY=($(compgen -W "$(_backfillctl_targets)" -- "$2")) ;;
    REPLICA) COMPREPLY=($(compgen -W "$(_backfillctl_replicas)" -- "$2")) ;;
    ROLE) COMPREPLY=($(compgen -W "$_backfillctl_roles" -- "$2")) ;;
    STATE | STATE\|TIME) COMPREPLY=($(compgen -W "$_backfillctl_states" -- "$2")) ;;
    VERB) COMPREPLY=($(compgen -W "$_backfillctl_verbs" -- "$2")) ;;
    FILE)
        compopt -o filenames 2>/dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "$2"))
        ;;
    *\|*) COMPREPLY=($(compgen -W "${1//|/ }" -- "$2")) ;;
    [a-z]*) COMPREPLY=($(compgen -W "$1" -- "$2")) ;; # a word that is to be written as it is
    esac
}

_backfillctl()
{
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' word value i
    local -a kinds
    local place=0
    COMPREPLY=()
    if [[ $current == = ]]; then
        current='' before=$before
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ $before == -* ]]; then
        value=$(_backfillctl_value "$before")
        if [[ $value ]]; then
            _backfillctl_complete "$value" "$current"
            return
        fi
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -* ]]; then
            # what stands behind an option is none of the verb's arguments
            if [[ $(_backfillctl_value "$word") ]]; then
                [[ ${COMP_WORDS[i + 1]:-} == = ]] && ((++i))
                ((++i))
                while [[ ${COMP_WORDS[i + 1]:-} == [:=] ]]; do ((i += 2)); done
            fi
        elif [[ ! $verb ]]; then
            verb=$word
        else
            ((++place))
        fi
    done
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$(_backfillctl_options "$verb")" -- "$current"))
    elif [[ ! $verb ]]; then
        _backfillctl_complete VERB "$current"
    else
        read -ra kinds <<<"$(_backfillctl_arguments "$verb")"
        if ((place >= ${#kinds[@]})) && [[ ${kinds[*]} == *... ]]; then
            place=$((${#kinds[@]} - 1))
        fi
        # those of the daemon's own cannot be adopted
        [[ $verb == adopt && ${kinds[place]:-} == JOB ]] && kinds[place]=FOREIGN
        [[ ${kinds[place]:-} ]] && _backfillctl_complete "${kinds[place]%...}" "$current"
    fi
    return 0
}

complete -F _backfillctl backfillctl
