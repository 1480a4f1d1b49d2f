#!/bin/sh
# Print the path of a Chromium, installed with apt-get where there is none and the user may.
#
#   tests/support/chromium.sh
#
# Ends with 2, and says why, where there is none and none can be installed.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name"; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y chromium fonts-dejavu-core; } >"$log" 2>&1; then
        command -v chromium
        exit 0
    fi
    tail -n 5 "$log" >&2
fi
echo "chromium.sh: there is no Chromium; install it with: apt-get install chromium" >&2
exit 2
