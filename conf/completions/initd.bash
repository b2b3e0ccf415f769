# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Completion of initd's command line for bash. What can be set by -o is asked of the binary that is being completed.

# words: the command line up to the cursor's word. Bash breaks words at = and :, which are none here.
_initd_words() {
    local rest=$COMP_LINE word
    words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} == 0 || $rest == [[:space:]]* ]]; then
            words+=("$word")
        else
            words[-1]+=$word
        fi
        rest=${rest#*"$word"}
    done
}

# WORD...: those that begin like the last word, and are not there yet.
_initd_offer() {
    local before=" ${words[*]:0:last} " word
    for word; do
        [[ $word == "$cur"* ]] || continue
        case $word in
            -o) ;;
            -*) [[ $before != *" $word "* ]] || continue ;;
            *=) [[ $before != *" $word"* ]] || continue ;;
        esac
        COMPREPLY+=("$word")
    done
}

# PREFIX ACTION: what compgen -ACTION has for the last word behind its prefix.
_initd_generate() {
    [[ $2 == [df] ]] && compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -P "$1" "-$2" -- "${cur#"$1"}")
}

# Programs, of all that is a command to a shell.
_initd_programs() {
    local name
    while read -r name; do
        if type -P "$name" >/dev/null; then COMPREPLY+=("$name"); fi
    done < <(compgen -c -- "$cur")
}

# A name begins each line of the first part. No environment and no file: neither shall make that fail.
_initd_names() {
    local name
    while read -r name _ && [[ $name ]]; do
        echo "$name="
    done < <(env -i "$(type -P "${words[0]}")" check -c /dev/null true 2>/dev/null)
    printf 'signals.%s=\n' "${signals[@]}"
}

# NAME=: the values that an option can have.
_initd_values() {
    case $1 in
        server.restart=) _initd_offer "$1"{no,on-failure,always} ;;
        server.hold_socket= | watch.enabled=) _initd_offer "$1"{auto,yes,no} ;;
        server.signal_group= | user.no_new_privs= | watch.overlap= | watch.standby=) _initd_offer "$1"{yes,no} ;;
        server.stop_signal=) _initd_offer "${signals[@]/#/$1}" ;;
        server.agent_dir= | server.working_dir= | watch.paths=) _initd_generate "$1" d ;;
        user.name=) _initd_generate "$1" u ;;
        health.target=) _initd_targets "$1" ;;
        health.on_failure=) _initd_offer "$1"{report,restart} ;;
        watch.backend=) _initd_offer "$1"{auto,inotify,poll} ;;
        log.level=) _initd_offer "$1"{error,warn,info,debug} ;;
        log.format=) _initd_offer "$1"{text,json} ;;
        signals.*) _initd_offer "$1"{forward,restart,stop,ignore} "${signals[@]/#/$1}" ;;
    esac
}

# PREFIX: what health.target can be.
_initd_targets() {
    if [[ $cur == "$1"unix:* ]]; then
        _initd_generate "$1unix:" f
    else
        _initd_offer "$1"{/health,tcp,tcp://,http://,unix:}
    fi
}

# What the last word is.
_initd_complete() {
    local names
    case $1 in
        -c) _initd_generate "" f ;;
        -o)
            mapfile -t names < <(_initd_names)
            if [[ $cur == *=* ]]; then _initd_values "${cur%%=*}="; else _initd_offer "${names[@]}"; fi
            ;;
        --pid)
            mapfile -t names < <(pgrep -x initd 2>/dev/null)
            _initd_offer "${names[@]}"
            ;;
        option) _initd_offer "${options[@]}" ;;
        subcommand) _initd_offer run healthcheck status restart check ;;&
        command | subcommand) ((${#COMPREPLY[@]})) || _initd_programs ;;
        target) _initd_targets "" ;;
        rest) compopt -o default ;; # of a command: its own words
    esac
}

_initd() {
    local words last cur begin what=command i=2 options=(-c -o)
    local signals=(SIG{HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,STKFLT,CONT,TSTP,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR})

    _initd_words
    last=$((${#words[@]} - 1)) cur=${words[-1]} COMPREPLY=()
    case ${words[1]} in
        run) ;;
        healthcheck) what=target options=(-c -o --json) ;;
        status) what=option options=(--json --pid) ;;
        restart) what=option options=(--wait --pid) ;;
        check) options=(-c -o --json) ;;
        --version | --help) what=nothing options=() ;;
        *) i=1 ;;
    esac
    ((last > 1)) || { i=1 what=subcommand options=(-c -o --version --help); }

    while ((i < last)) && [[ ${words[i]} == -* ]]; do
        case ${words[i]} in
            -c | -o | --pid) ((++i < last)) || what=${words[i - 1]} options=() ;;
            --) options=() ;;
        esac
        ((i++))
        [[ ${words[i - 1]} != -- ]] || break
    done
    if ((i < last)); then
        [[ $what == command ]] && what=rest || what=nothing
    elif [[ $cur == -* && ${#options[@]} != 0 ]]; then
        what=option
    fi
    _initd_complete "$what"

    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:/] ]] && compopt -o nospace
    # Readline replaces what follows the last such character, not the word.
    begin=${cur%"${cur##*["$COMP_WORDBREAKS"]}"}
    COMPREPLY=("${COMPREPLY[@]#"$begin"}")
}

complete -F _initd initd
