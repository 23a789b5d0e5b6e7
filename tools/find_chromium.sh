#!/bin/sh
# Find or install a browser for the browser tests: an installed one, else Debian's if it can be
# installed, else Playwright's own. Never fails: tests/browser/ reports a missing browser.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
[ -n "$UNDERTONE_CHROMIUM" ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "No Chromium here: installing Debian's for the browser tests."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null &&
        exit 0
fi
echo "No Chromium could be installed by apt-get: trying Playwright's own."
.venv/bin/python -m playwright install chromium ||
    echo "NO BROWSER: the browser tests cannot run; install Chromium or set UNDERTONE_CHROMIUM."
exit 0
