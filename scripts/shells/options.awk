# The options of an applet from the table in its page, one per line, separated by tabs: applet,
# letter, long name, name of the value, "repeatable" or "once", what it does.
#
# Variable: applet.

# The first sentence of a cell, without its marks.
function plain(text) {
    gsub(/`/, "", text)
    while (match(text, /\[[^]]*\]\([^)]*\)/)) {
        link = substr(text, RSTART + 1, RLENGTH - 1)
        sub(/\].*/, "", link)
        text = substr(text, 1, RSTART - 1) link substr(text, RSTART + RLENGTH)
    }
    sub(/; see .*/, "", text)
    sub(/\. [A-Z0-9].*/, "", text)
    return text
}

/^\| `-/ {
    gsub(/\\\|/, "\001")
    count = split($0, cell, / *\| */)
    gsub(/\001/, "|", cell[count - 1])
    head = cell[2]
    gsub(/`/, "", head)
    gsub(/\001/, "|", head)
    letter = long = value = ""
    if (match(head, /^-[A-Za-z0-9]/)) {
        letter = substr(head, 2, 1)
        head = substr(head, 3)
        sub(/^, /, "", head)
    }
    if (match(head, /^--[a-z0-9-]+/)) {
        long = substr(head, 3, RLENGTH - 2)
        head = substr(head, RLENGTH + 1)
    }
    sub(/^[ =]*/, "", head)
    value = head
    what = plain(cell[count - 1])
    repeated = value ~ /,\.\.\./ || what ~ /repeatable/ ? "repeatable" : "once"
    print applet "\t" letter "\t" long "\t" value "\t" repeated "\t" what
}
