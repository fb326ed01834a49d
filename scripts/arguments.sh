# Sourced by the scripts, each of which defines usage(): wrong arguments and missing tools.

script=scripts/${0##*/}

# The links to the binary that an installation has.
# shellcheck disable=SC2034 # for the scripts
programs="exitdir-run exitdir-wait exitdir-signal exitdir-status exitdir-install kubexit"

# What was asked for cannot be done, for a reason that the usage explains.
refuse() { # SENTENCE
    echo "$script: $1" >&2
    usage >&2
    exit 2
}

# Shows the usage if the first argument asks for it.
offer_help() { # [ARGUMENT]...
    case ${1-} in
    -h | --help)
        usage
        exit
        ;;
    esac
}

# The only argument is a directory, which is made if it is missing. Sets $directory to its full path.
need_directory() { # [ARGUMENT]...
    [ $# -eq 1 ] || refuse "expected one argument, the directory"
    case $1 in
    '') refuse "the name of the directory is empty" ;;
    -*) refuse "unknown option $1" ;;
    esac
    mkdir -p "$1" 2>/dev/null && directory=$(cd "$1" && pwd) || lack "cannot make the directory $1"
}

need_architectures() { # [ARGUMENT]...
    for architecture in "$@"; do
        case $architecture in
        x86_64 | aarch64) ;;
        *) refuse "unknown architecture $architecture" ;;
        esac
    done
}

need_rust() {
    command -v cargo >/dev/null || lack "cargo is missing: install Rust with rustup"
    command -v cc >/dev/null || lack "cc is missing: install a C compiler, for example gcc"
}

lack() { # SENTENCE
    echo "$script: $1" >&2
    exit 1
}
