# The options as arrays of specifications for _arguments of zsh.
function quoted(text) { gsub(/'/, "'\\''", text); return text }
function escaped(text) { gsub(/[\[\]:\\]/, "\\\\&", text); return quoted(text) }

function action(kind) {
    if (kind == "directory") return "_files -/"
    if (kind == "file") return "_files"
    if (kind == "command") return "_command_names -e"
    if (kind == "name") return "_exitdir_names"
    if (kind == "condition") return "_exitdir_conditions"
    if (kind == "signal") return "(TERM INT HUP QUIT KILL USR1 USR2 CONT WINCH)"
    if (kind == "action") return "_exitdir_actions"
    if (kind == "source") return "(start notify notify\\:all fd file\\: unix\\: tcp\\: http\\: exec\\: signal)"
    if (kind == "when") return "(never on-failure always)"
    if (kind == "what") return "_exitdir_changes"
    if (kind == "code") return "(own cause)"
    return ""
}

function argument(applet,   kind) {
    kind = argument_of(applet)
    if (kind == "command") return "'*:::command:_normal'"
    if (applet == "install") return "':directory:_files -/'"
    return "'*:" kind ":" action(kind) "'"
}

function open_applet(applet) {
    print "_exitdir_" applet "=("
    print "    " argument(applet)
    last = applet
}

$1 != last {
    if (last != "") print ")"
    open_applet($1)
}
{
    value = $4 == "" ? "" : ":" escaped($4) ":" quoted(action(kind_of($4)))
    letter = $2 == "" ? "" : "-" $2 ($4 == "" ? "" : "+")
    long = $3 == "" ? "" : "--" $3 ($4 == "" ? "" : "=")
    both = letter != "" && long != ""
    # An option that was given is not suggested again.
    before = $5 == "repeatable" ? "*" : both ? "(-" $2 " --" $3 ")" : ""
    name = both ? "'{" letter "," long "}'" : letter long
    print "    '" before name "[" escaped($6) "]" value "'"
}
END {
    print ")"
    open_applet("kubexit")
    print ")"
}
