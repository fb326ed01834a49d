# The options as commands for fish, for each applet under its own name and as exitdir APPLET.
function quoted(text) { gsub(/[\\']/, "\\\\&", text); return "'" text "'" }

function suggestion(kind) {
    if (kind == "directory") return " -x -a '(__fish_complete_directories)'"
    if (kind == "file") return " -r"
    if (kind == "command") return " -r -a '(__fish_complete_command)'"
    if (kind == "name") return " -x -a '(__exitdir_names)'"
    if (kind == "condition") return " -x -a '(__fish_complete_list , __exitdir_conditions)'"
    if (kind == "signal") return " -x -a \"$__exitdir_signals\""
    if (kind == "action") return " -x -a 'exec: post: sleep:'"
    if (kind == "source") return " -x -a 'start notify notify:all fd file: unix: tcp: http: exec: signal'"
    if (kind == "when") return " -x -a 'never on-failure always'"
    if (kind == "what") return " -x -a \"restart none $__exitdir_signals exec: post: sleep:\""
    if (kind == "code") return " -x -a 'own cause'"
    return " -x"
}

BEGIN { print "set -g __exitdir_signals TERM INT HUP QUIT KILL USR1 USR2 CONT WINCH" }

function both(applet, rest) {
    if (applet == "kubexit") print "complete -c kubexit -n '__exitdir_goes_on kubexit'" rest
    else print "complete -c exitdir-" applet " -n '__exitdir_goes_on " applet "'" rest
    print "complete -c exitdir -n '__exitdir_goes_on " applet "'" rest
}

function argument(applet) {
    both(applet, suggestion(argument_of(applet)))
    if (applet == "status" || applet == "install") return
    print "complete -c " (applet == "kubexit" ? "" : "exitdir-") applet " -x -a '(__exitdir_complete_command " applet ")'"
    print "complete -c exitdir -n '__exitdir_is " applet "' -x -a '(__exitdir_complete_command " applet ")'"
}

{
    line = ""
    if ($2 != "") line = line " -s " $2
    if ($3 != "") line = line " -l " $3
    if ($4 != "") {
        line = line suggestion(kind_of($4))
        valued[$1] = valued[$1] ($2 == "" ? "" : " -" $2) ($3 == "" ? "" : " --" $3)
    }
    both($1, line " -d " quoted($6))
    seen[$1] = 1
}

END {
    count = split("run wait signal status install kubexit", applets, " ")
    for (i = 1; i <= count; i++) {
        print "set -g __exitdir_valued_" applets[i] valued[applets[i]]
        argument(applets[i])
    }
}
