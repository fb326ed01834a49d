# The options as a function for bash: each with the kind of its value.
function close_applet() { if (last != "") print words "'\n        ;;" }

BEGIN { print "_exitdir_data() { # APPLET\n    case $1 in" }
$1 != last {
    close_applet()
    last = $1
    print "    " $1 ")\n        argument=" argument_of($1)
    words = "        options='"
}
{
    kind = $4 == "" ? "flag" : kind_of($4)
    if ($2 != "") words = words "\n            -" $2 "=" kind
    if ($3 != "") words = words "\n            --" $3 "=" kind
}
END {
    close_applet()
    print "    kubexit)\n        argument=" argument_of("kubexit") "\n        ;;"
    print "    esac\n}"
}
