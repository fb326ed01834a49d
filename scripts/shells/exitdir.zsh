
# The names in the exit directory: of --dir on the command line, else of the variable.
_exitdir_names() {
    setopt local_options extended_glob
    local directory=${opt_args[-d]:-${opt_args[--dir]:-$EXIT_DIR}}
    [[ -n $directory ]] || return 1
    local -a names=($directory/*(N.:t))
    # Other file names are of other programs.
    names=(${(M)names:#[A-Za-z0-9_][A-Za-z0-9._-]#})
    compadd -a names
}

_exitdir_conditions() {
    compset -P '*[,+]'
    if compset -P '*:'; then
        compadd waiting born ready inactive ok failed lost died
        compadd -S '' exit=
        return
    fi
    _exitdir_names
    compadd -S '' tcp: http: unix: file: :
}

_exitdir_actions() {
    compset -P '*,'
    compadd -S '' exec: post: sleep:
}

_exitdir_changes() {
    compadd restart none TERM INT HUP QUIT USR1 USR2 WINCH
    _exitdir_actions
}

_exitdir() {
    local applet=${${words[1]:t}#exitdir-} dashes specs
    local -a applets=(run wait signal status install kubexit)
    if [[ $applet == exitdir ]]; then
        if (( CURRENT == 2 )); then
            compadd $applets help
            return
        fi
        applet=${words[2]#exitdir-}
        shift words
        (( CURRENT -= 1 ))
    fi
    if [[ $applet == help ]]; then
        compadd $applets
        return
    fi
    (( ${applets[(I)$applet]} )) || return 1
    # Behind -- there is a command.
    dashes=${words[(i)--]}
    if (( dashes < CURRENT )); then
        shift $dashes words
        (( CURRENT -= dashes ))
        _normal
        return
    fi
    specs=_exitdir_$applet
    local curcontext=$curcontext
    typeset -A opt_args
    _arguments -s -S -A '-*' : ${(P)specs}
}

_exitdir "$@"
