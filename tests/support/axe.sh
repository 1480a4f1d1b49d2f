#!/bin/sh
# Print the path of axe-core's script, which finds faults of accessibility, fetched by npm where it is not there yet.
#
#   tests/support/axe.sh
#
# Kept in ${XDG_CACHE_HOME:-~/.cache}/wordsight-tests. Ends with 2, and says why, where it cannot be had.
set -eu

version=4.14.1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/wordsight-tests
script=$folder/axe-core-$version.js
if [ ! -s "$script" ]; then
    if ! command -v npm >/dev/null; then
        echo "axe.sh: there is no npm to fetch axe-core with; install it with: apt-get install npm" >&2
        exit 2
    fi
    mkdir -p "$folder"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if ! (cd "$work" && npm pack --silent "axe-core@$version" >/dev/null && tar xzf axe-core-*.tgz package/axe.min.js); then
        echo "axe.sh: npm cannot fetch axe-core $version" >&2
        exit 2
    fi
    mv "$work/package/axe.min.js" "$script.$$" && mv "$script.$$" "$script"
fi
echo "$script"
