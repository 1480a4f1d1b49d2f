#!/bin/sh
# Print the path of axe-core's script, which checks pages for accessibility; fetched with npm where it is not there.
#
#   tests/support/axe.sh
#
# Ends with 2, and says why, where it cannot be had.
set -eu

version=4.14.1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/wordsight-tests/axe-core-$version
script=$folder/package/axe.min.js
if [ ! -f "$script" ]; then
    mkdir -p "$folder"
    if ! (cd "$folder" && npm pack --silent "axe-core@$version" >/dev/null && tar xzf "axe-core-$version.tgz") 2>&1 >&2; then
        echo "axe.sh: axe-core cannot be fetched; it takes npm and its registry" >&2
        exit 2
    fi
fi
echo "$script"
