#!/bin/sh
# Installs calldock into a folder: what the image's build stage runs, and `make image-check` in a plain directory. Run in the repository; $1 is the folder, $2 the Python to use.
set -eu
target=$1
python=${2:-python3}

"$python" -m venv "$target"
# Only what the lock names, by its hashes, and nothing that would have to be compiled.
"$target/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --require-hashes --only-binary :all: -r deploy/image/requirements.lock
# What builds calldock's own wheel stays out of the image.
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
"$python" -m venv "$build/venv"
"$build/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --require-hashes --only-binary :all: -r deploy/image/build.lock
"$build/venv/bin/pip" wheel --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-build-isolation --wheel-dir "$build" .
"$target/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-index "$build"/calldock-*.whl
# Nothing is installed in a container that runs: its root file system is read-only.
"$target/bin/pip" uninstall --quiet --disable-pip-version-check --yes pip setuptools 2>/dev/null || true
# The same place whatever the version of Python, for Envoy's configuration.
packages=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$target/share"
cp "$packages/calldock/public.binpb" "$packages/calldock/openapi.json" "$target/share/"
"$target/bin/python" -m compileall -q "$packages/services" "$packages/calldock"
