# A CycloneDX list of what is linked, from Cargo.lock, for the checksums, and from what
# `cargo tree --prefix depth --format '{p}|{l}'` prints, in this order.
#
# Variables: created, rustc.

function quoted(text) { gsub(/["\\]/, "\\\\&", text); return "\"" text "\"" }

function reference(name, number) { return "pkg:cargo/" name "@" number }

# The part of a component that every crate has.
function component(kind, name, number, license,   text, ref) {
    ref = reference(name, number)
    text = "{\"type\": " quoted(kind) ", \"bom-ref\": " quoted(ref) ", \"name\": " quoted(name)
    text = text ", \"version\": " quoted(number) ", \"purl\": " quoted(ref)
    gsub(/\//, " OR ", license)
    text = text ", \"licenses\": [{\"expression\": " quoted(license) "}]"
    if (ref in checksum)
        text = text ", \"hashes\": [{\"alg\": \"SHA-256\", \"content\": " quoted(checksum[ref]) "}]"
    return text "}"
}

function depend(from, to) {
    if ((from, to) in known) return
    known[from, to] = 1
    needs[from] = needs[from] (needs[from] == "" ? "" : ", ") quoted(to)
}

# The checksums of Cargo.lock.
FNR == NR {
    value = $3
    gsub(/"/, "", value)
    if ($1 == "name") name = value
    if ($1 == "version") number = value
    if ($1 == "checksum") checksum[reference(name, number)] = value
    next
}

# A line of the tree: depth and name, version, perhaps more, and the license after a bar.
match($0, /^[0-9]+/) {
    depth = substr($0, 1, RLENGTH) + 0
    split(substr($0, RLENGTH + 1), parts, "|")
    split(parts[1], words, " ")
    license = parts[2]
    sub(/ \(\*\)$/, "", license)
    ref = reference(words[1], substr(words[2], 2))
    above[depth] = ref
    if (!(ref in text)) {
        order[++count] = ref
        kind = depth ? "library" : "application"
        text[ref] = component(kind, words[1], substr(words[2], 2), license)
    }
    if (depth) depend(above[depth - 1], ref)
}

END {
    print "{"
    print "  \"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.5\", \"version\": 1,"
    print "  \"metadata\": {"
    print "    \"timestamp\": " quoted(created) ","
    print "    \"component\": " text[order[1]]
    print "  },"
    print "  \"components\": ["
    for (i = 2; i <= count; i++) print "    " text[order[i]] ","
    print "    {\"type\": \"library\", \"bom-ref\": \"std\", \"name\": \"std\","
    print "     \"version\": " quoted(rustc) ","
    print "     \"description\": \"the standard library of Rust, with the C library musl\","
    print "     \"licenses\": [{\"expression\": \"MIT OR Apache-2.0\"}]}"
    print "  ],"
    print "  \"dependencies\": ["
    depend(order[1], "std")
    for (i = 1; i <= count; i++)
        print "    {\"ref\": " quoted(order[i]) ", \"dependsOn\": [" needs[order[i]] "]},"
    print "    {\"ref\": \"std\", \"dependsOn\": []}"
    print "  ]"
    print "}"
}
