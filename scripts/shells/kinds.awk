# What the shells suggest for the value of an option, or for the argument of that name.
function kind_of(value) {
    if (value == "DIR") return "directory"
    if (value ~ /^(SRC|FILE|PATH)/) return "file"
    if (value == "PROG") return "command"
    if (value ~ /^COND/ || value == "LIST") return "condition"
    if (value ~ /^NAME/) return "name"
    if (value == "SIG") return "signal"
    if (value ~ /^ACTION/) return "action"
    if (value == "SOURCE") return "source"
    if (value == "WHEN") return "when"
    if (value == "WHAT") return "what"
    if (value == "CODE") return "code"
    return "none"
}

# What the arguments of an applet are; after a command there are no more options.
function argument_of(applet) {
    if (applet == "run" || applet == "kubexit") return "command"
    if (applet == "wait") return "condition"
    if (applet == "signal" || applet == "status") return "name"
    if (applet == "install") return "directory"
    return "none"
}

BEGIN { FS = "\t" }
