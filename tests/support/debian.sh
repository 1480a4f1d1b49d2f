#!/bin/sh
# Fetch Debian packages by name and unpack their files into a cache folder; nothing is installed, no root is needed.
#
#   tests/support/debian.sh circuit-macros linuxcnc-doc-en
#
# Prints one folder for each package, in the order given; its files lie there as they would below "/". A package that
# was fetched before is not fetched again. The folder: $WORDSIGHT_CACHE/debian, else ~/.cache/wordsight/debian.
# Packages come by apt-get from the sources that the machine itself is set up with. Ends with 2 where that cannot work.
set -eu

fail() {
    echo "debian.sh: $1" >&2
    exit 2
}

[ $# -gt 0 ] || fail "no package is named; call it as: tests/support/debian.sh PACKAGE…"

root="${WORDSIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wordsight}/debian"
mkdir -p "$root"

for package in "$@"; do
    case "$package" in
        *[!a-z0-9+.-]* | "" | -* | .*) fail "'$package' is no name of a Debian package" ;;
    esac
    if [ ! -d "$root/$package" ]; then
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
            fail "'$package' is fetched with apt-get and dpkg-deb, which are not here; unpack it into $root/$package"
        work=$(mktemp -d "$root/.fetch-XXXXXX")
        trap 'rm -rf "$work"' EXIT
        trap 'exit 130' INT TERM
        # what apt-get says is shown only where it fails: its "unsandboxed" warning to root is of no use here
        if ! (cd "$work" && apt-get download -q "$package") >"$work/log" 2>&1; then
            sed 's/^/  /' "$work/log" >&2
            fail "'$package' could not be fetched: offline, an unknown name, or lists that 'apt-get update' must bring"
        fi
        mkdir "$work/files"
        dpkg-deb -x "$work"/*.deb "$work/files"
        mv -T "$work/files" "$root/$package" 2>/dev/null || [ -d "$root/$package" ]
        rm -rf "$work"
    fi
    echo "$root/$package"
done
