# Sourced by scripts/release: the archives.

# The directory of an archive: the binary with its links, manual pages and completions.
make_archive() { # ARCHITECTURE ARCHIVE
    name=exitdir-$version-linux-$1
    mkdir -p "$work/archive/$name"
    cp "$binaries/$1/exitdir" "$work/archive/$name/exitdir"
    for program in $programs; do
        ln -s exitdir "$work/archive/$name/$program"
    done
    cp LICENSE CHANGELOG.md "$work/licenses.txt" "$work/archive/$name/"
    cp -R "$work/man" "$work/completions" "$work/archive/$name/"
    pack "$work/archive" "$name" | gzip -9n >"$2"
    rm -r "$work/archive"
}
