#!/bin/sh
# Builds the client area into the folder that media serves: what `make web` and the image run. Node comes from the machine where it is new enough, else from PyPI into .tools.
set -eu
cd "$(dirname "$0")"
new_enough='const [major, minor] = process.versions.node.split("."); process.exit(+major > 20 || (+major === 20 && +minor >= 19) ? 0 : 1)'
if ! command -v npm >/dev/null || ! node -e "$new_enough" 2>/dev/null; then
  tools=$(cd .. && pwd)/.tools
  if [ ! -x "$tools/bin/node" ]; then
    "${PYTHON:-python3}" -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r node.lock
  fi
  PATH=$tools/bin:$PATH
fi
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then npm ci --no-progress; fi
npm run --silent build
