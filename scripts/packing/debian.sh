# Sourced by scripts/release: the Debian packages, built without debhelper.

debian_name() { # ARCHITECTURE
    case $1 in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    esac
}

install_into() { # ARCHITECTURE ROOT
    share=$2/usr/share
    mkdir -p "$2/usr/bin" "$share/man" "$share/doc/exitdir" "$share/bash-completion/completions" \
        "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
    cp "$binaries/$1/exitdir" "$2/usr/bin/exitdir"
    for program in $programs; do
        ln -s exitdir "$2/usr/bin/$program"
    done
    cp -R "$work/man/." "$share/man/"
    find "$share/man" -type f -exec gzip -9n {} +
    cp -P "$work/completions/bash/"* "$share/bash-completion/completions/"
    cp -P "$work/completions/zsh/"* "$share/zsh/vendor-completions/"
    cp -P "$work/completions/fish/"* "$share/fish/vendor_completions.d/"
    gzip -9nc CHANGELOG.md >"$share/doc/exitdir/changelog.gz"
    {
        echo "exitdir is licensed under the Apache License, Version 2.0:"
        echo "/usr/share/common-licenses/Apache-2.0"
        echo
        cat "$work/licenses.txt"
    } >"$share/doc/exitdir/copyright"
}

control() { # ARCHITECTURE ROOT
    cat <<CONTROL
Package: exitdir
Version: $version
Architecture: $(debian_name "$1")
Maintainer: ${MAINTAINER:-unknown}
Installed-Size: $(du -k --apparent-size -s "$2/usr" | cut -f 1)
Section: utils
Priority: optional
Description: starts and stops containers in the right order
$(echo "$description." | fold -s -w 76 | sed 's/^/ /; s/ *$//')
 .
 It is one static binary, which is also an init for containers.
CONTROL
}

make_package() { # ARCHITECTURE PACKAGE
    root=$work/debian
    install_into "$1" "$root"
    mkdir "$root/DEBIAN"
    control "$1" "$root" >"$root/DEBIAN/control"
    (cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
    set_modes "$root"
    dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$root" "$2" >/dev/null
    rm -r "$root"
}
