# A page of docs/ as a manual page: the Markdown that these pages use, as man(7).
#
# Variables: name, number (the section of the manual), version, date.

# Sections are collected, because a manual has an order of its own for some of them.
function emit(line) { body[section] = body[section] line "\n" }

function open_section(title) {
    section = toupper(title)
    if (section == "USAGE") section = "SYNOPSIS"
    if (!(section in body)) order[++sections] = section
    is_start = body[section] == ""
}

function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    return text
}

# A line that begins with a dot or a quote would be a request.
function guarded(line) { return (line ~ /^[.']/ ? "\\&" : "") line }

# What stands between the mark at the beginning of the text and its next occurrence; sets `rest` to
# what follows. "" if the mark does not occur again.
function marked(text, mark,   from, end) {
    from = length(mark) + 1
    end = index(substr(text, from), mark)
    if (end < 2) return ""
    rest = substr(text, from + end + length(mark) - 1)
    return substr(text, from, end - 1)
}

# `code` and **strong** in bold, *emphasis* in italics, [text](address) as its text.
function inline(text,   out, inner, address) {
    out = ""
    while (text != "") {
        if (text ~ /^`/ && (inner = marked(text, "`")) != "") {
            out = out "\\fB" escaped(inner) "\\fP"
            text = rest
        } else if (text ~ /^\*\*/ && (inner = marked(text, "**")) != "") {
            out = out "\\fB" escaped(inner) "\\fP"
            text = rest
        } else if (text ~ /^\*[^ ]/ && (inner = marked(text, "*")) != "") {
            out = out "\\fI" escaped(inner) "\\fP"
            text = rest
        } else if (match(text, /^\[[^]]*\]\([^)]*\)/)) {
            inner = substr(text, 2, RLENGTH - 2)
            text = substr(text, RLENGTH + 1)
            address = inner
            sub(/^.*\]\(/, "", address)
            sub(/\]\(.*/, "", inner)
            refer(address)
            out = out inline(inner)
        } else if (match(text, /^[^`*[]+/)) {
            out = out escaped(substr(text, 1, RLENGTH))
            text = substr(text, RLENGTH + 1)
        } else {
            out = out escaped(substr(text, 1, 1))
            text = substr(text, 2)
        }
    }
    return out
}

# A link to another page that is a manual page too: a line of "See also".
function refer(address,   page) {
    page = address
    sub(/#.*/, "", page)
    sub(/\.md$/, "", page)
    if (page == "tombstone" || page == "managed") page = "exitdir-" page
    if (page ~ /^(exitdir-(run|wait|signal|status|install|tombstone|managed)|kubexit)$/ && page != name)
        references[page] = page ~ /tombstone$/ ? 5 : page ~ /managed$/ ? 7 : 1
}

# Text in lines of at most 78 bytes.
function emit_text(text,   words, count, i, line) {
    count = split(inline(text), words, " ")
    line = ""
    for (i = 1; i <= count; i++) {
        if (line != "" && length(line) + 1 + length(words[i]) > 78) {
            emit(guarded(line))
            line = ""
        }
        line = line (line == "" ? "" : " ") words[i]
    }
    if (line != "") emit(guarded(line))
}

# Ends the paragraph or the list item whose lines were collected.
function flush() {
    if (held == "") return
    if (lead == "") lead = held
    if (tag == "paragraph") {
        if (!is_start) emit(".PP")
        is_start = 0
    } else {
        emit(".IP " tag)
        is_start = 0
    }
    emit_text(held)
    held = ""
}

function hold(kind, text) {
    flush()
    tag = kind
    held = text
}

# Lists within lists are indented.
function nest(depth) {
    for (; level < depth; level++) emit(".RS 4")
    for (; level > depth; level--) emit(".RE")
}

function end_text() {
    flush()
    nest(0)
    is_table = 0
}

# Splits a row of a table into cell[1], cell[2]...; a bar in it is written as \|.
function cells(row,   count, i) {
    sub(/^\| */, "", row)
    sub(/ *\|$/, "", row)
    gsub(/\\\|/, "\001", row)
    count = split(row, cell, / *\| */)
    for (i = 1; i <= count; i++) gsub(/\001/, "|", cell[i])
    return count
}

# A row of a table is a tag with the text of the other cells. Of options, the second cell is the
# variable; of other tables with more than two columns, each cell gets its heading.
function table_row(row,   count, i) {
    count = cells(row)
    emit(".TP")
    emit(guarded(cell[1] == "" ? "\\&" : inline(cell[1])))
    if (count == 2) {
        emit_text(cell[2])
    } else if (head[1] == "option") {
        emit_text(cell[3])
        if (cell[2] != "") {
            emit(".br")
            emit_text("Variable: " cell[2])
        }
    } else {
        for (i = 2; i <= count; i++) {
            if (i > 2) emit(".br")
            emit_text("*" head[i] "*: " cell[i])
        }
    }
    is_start = 0
}

function table_line(row,   count, i) {
    if (row ~ /^\|[-| :]+\|$/) return
    if (is_table) {
        table_row(row)
        return
    }
    end_text()
    is_table = 1
    count = cells(row)
    for (i = 1; i <= count; i++) {
        head[i] = cell[i]
        gsub(/[`*]/, "", head[i])
    }
}

function fence() {
    end_text()
    is_fenced = !is_fenced
    if (!is_fenced) {
        emit(".fi")
        emit(".RE")
        is_start = 0
        if (section == "SYNOPSIS") open_section("DESCRIPTION")
        return
    }
    if (!is_start) emit(".PP")
    emit(".RS 4")
    emit(".nf")
}

# The first sentence says what the page is about.
function purpose(text) {
    text = inline(text)
    sub(/[.;] .*/, "", text)
    sub(/[.;:]$/, "", text)
    gsub(/\\f./, "", text)
    return tolower(substr(text, 1, 1)) substr(text, 2)
}

BEGIN { open_section("DESCRIPTION") }

/^ *```/ { fence(); next }
is_fenced { emit($0 == "" ? ".sp" : guarded(escaped($0))); next }
/^# / { next }
# The version is in the footer.
/^\*exitdir [0-9.]*\*$/ { next }
/^## / { end_text(); open_section(substr($0, 4)); next }
/^### / { end_text(); emit(".SS " escaped(substr($0, 5))); is_start = 1; next }
/^\|/ { table_line($0); next }
/^$/ { flush(); is_table = 0; next }
/^ *- / {
    flush()
    match($0, /^ */)
    nest(int(RLENGTH / 2))
    sub(/^ *- /, "")
    hold("\\(bu 2", $0)
    next
}
/^[0-9]+\. / {
    flush()
    match($0, /^[0-9]+\./)
    hold(substr($0, 1, RLENGTH) " 4", substr($0, RLENGTH + 2))
    next
}
{
    sub(/^ +/, "")
    if (held != "") {
        held = held " " $0
        next
    }
    nest(0)
    hold("paragraph", $0)
}

function print_section(title) {
    if (title in body && body[title] != "") printf ".SH %s\n%s", escaped(title), body[title]
    delete body[title]
}

# The references in alphabetical order.
function see_also(   page, pages, count, i, j, swap) {
    for (page in references) pages[++count] = page
    for (i = 1; i <= count; i++)
        for (j = i + 1; j <= count; j++)
            if (pages[j] < pages[i]) {
                swap = pages[i]
                pages[i] = pages[j]
                pages[j] = swap
            }
    for (i = 1; i <= count; i++)
        emit(".BR " escaped(pages[i]) " (" references[pages[i]] ")" (i < count ? " ," : ""))
}

END {
    end_text()
    if (!("SEE ALSO" in body)) order[++sections] = "SEE ALSO"
    section = "SEE ALSO"
    if (body[section] != "") emit(".PP")
    see_also()
    printf ".TH %s %d %s \"exitdir %s\" \"exitdir\"\n", toupper(escaped(name)), number, date, version
    printf ".SH NAME\n%s \\- %s\n", escaped(name), purpose(lead)
    print_section("SYNOPSIS")
    print_section("DESCRIPTION")
    print_section("OPTIONS")
    print_section("EXIT STATUS")
    for (i = 1; i <= sections; i++)
        if (order[i] != "SEE ALSO") print_section(order[i])
    print_section("SEE ALSO")
}
