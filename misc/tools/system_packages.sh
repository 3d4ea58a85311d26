#!/bin/sh
# Install the Debian packages named, where we may; otherwise say which are missing.
missing=""
for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $missing; } \
        >/dev/null 2>&1 && exit 0
fi
echo "not installed:$missing; the tests that need them are skipped, by name"
exit 0
