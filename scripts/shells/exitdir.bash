
# The exit directory: of --dir on the command line, else of the variable.
_exitdir_directory() {
    local i
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        -d | --dir) echo "${words[i + 1]}" && return ;;
        --dir=*) echo "${words[i]#--dir=}" && return ;;
        esac
    done
    echo "${EXIT_DIR-}"
}

_exitdir_names() {
    local directory file
    directory=$(_exitdir_directory)
    [[ -n $directory ]] || return
    # Other file names are of other programs, and the shell would expand what is in them.
    for file in "$directory"/*; do
        [[ -f $file && ! -L $file && ${file##*/} =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] && echo "${file##*/}"
    done
}

_exitdir_conditions() { # TEXT
    local state name=${1%%:*}
    if [[ $1 != *:* ]]; then
        _exitdir_names
        printf '%s\n' tcp: http: unix: file: :
        return
    fi
    # The shell would expand any other text in the list of words.
    [[ $name =~ ^[A-Za-z0-9._-]*$ ]] || return
    for state in waiting born ready inactive ok failed lost died exit=; do
        echo "$name:$state"
    done
}

# What can stand for a value of this kind.
_exitdir_values() { # KIND TEXT
    local signals='TERM INT HUP QUIT KILL USR1 USR2 CONT WINCH'
    case $1 in
    directory) compgen -d -- "$2" ;;
    file) compgen -f -- "$2" ;;
    command) compgen -c -f -- "$2" | sort -u ;;
    name) compgen -W "$(_exitdir_names)" -- "$2" ;;
    condition) compgen -W "$(_exitdir_conditions "$2")" -- "$2" ;;
    signal) compgen -W "$signals" -- "$2" ;;
    source) compgen -W 'start notify notify:all fd file: unix: tcp: http: exec: signal' -- "$2" ;;
    action) compgen -W 'exec: post: sleep:' -- "$2" ;;
    when) compgen -W 'never on-failure always' -- "$2" ;;
    what) compgen -W "restart none $signals exec: post: sleep:" -- "$2" ;;
    code) compgen -W 'own cause' -- "$2" ;;
    esac
}

_exitdir_kind() { # OPTION
    local entry
    for entry in $options; do
        [[ ${entry%=*} == "$1" ]] && echo "${entry##*=}" && return
    done
    echo flag
}

# Bash has split the last word at these characters, and replaces only what is behind them.
_exitdir_reply() { # CURRENT PREFIX, and the words on standard input
    local split=${1%"${1##*[:=]}"} line
    while IFS= read -r line; do
        line=$2$line
        [[ $line == "$split"* ]] || continue
        COMPREPLY+=("${line#"$split"}")
    done
    # A word that needs a value behind it gets no blank.
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[:=] ]] || compopt -o nospace 2>/dev/null
}

# The last item of a list.
_exitdir_complete_value() { # KIND CURRENT PREFIX
    local text=${2#"$3"} list=
    case $1 in
    condition | action | file) [[ $text != *,* ]] || list=${text%,*}, ;;
    esac
    [[ $1 != file && $1 != directory && $1 != command ]] || compopt -o filenames 2>/dev/null
    _exitdir_reply "$2" "$3$list" < <(_exitdir_values "$1" "${text#"$list"}")
}

# A command with its arguments, which begins at a word.
_exitdir_command() { # INDEX
    if ((${#words[@]} - 1 == $1)); then
        _exitdir_complete_value command "$current" ''
    elif declare -F _command_offset >/dev/null; then
        _command_offset $((COMP_CWORD - ${#words[@]} + 1 + $1))
    else
        _exitdir_complete_value file "$current" ''
    fi
}

_exitdir_applet() { # APPLET FIRST
    local argument=none options='' i
    _exitdir_data "$1"
    for ((i = $2; i < ${#words[@]} - 1; i++)); do
        if [[ ${words[i]} == -- ]]; then
            _exitdir_command $((i + 1))
            return
        elif [[ ${words[i]} != -* ]]; then
            [[ $argument != command ]] || { _exitdir_command $i && return; }
        elif [[ $(_exitdir_kind "${words[i]}") != flag ]]; then
            i=$((i + 1))
            ((i < ${#words[@]} - 1)) || {
                _exitdir_complete_value "$(_exitdir_kind "${words[i - 1]}")" "$current" ''
                return
            }
        fi
    done
    case $current in
    --*=*) _exitdir_complete_value "$(_exitdir_kind "${current%%=*}")" "$current" "${current%%=*}=" ;;
    -*) _exitdir_reply "$current" '' < <(compgen -W "$(printf '%s\n' $options | sed 's/=.*//')" -- "$current") ;;
    *) _exitdir_complete_value "$argument" "$current" '' ;;
    esac
}

_exitdir() {
    local words current applet
    IFS=$' \t\n' read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || words+=('')
    current=${words[${#words[@]} - 1]}
    applet=${words[0]##*/}
    COMPREPLY=()
    if [[ $applet != exitdir ]]; then
        _exitdir_applet "${applet#exitdir-}" 1
    elif ((${#words[@]} == 2)); then
        _exitdir_reply "$current" '' < <(compgen -W 'run wait signal status install kubexit help' -- "$current")
    elif [[ ${words[1]} == help ]]; then
        _exitdir_reply "$current" '' < <(compgen -W 'run wait signal status install kubexit' -- "$current")
    else
        _exitdir_applet "${words[1]#exitdir-}" 2
    fi
}

complete -F _exitdir exitdir exitdir-run exitdir-wait exitdir-signal exitdir-status exitdir-install kubexit
