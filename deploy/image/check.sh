#!/bin/sh
# Runs the image's steps in a plain directory, takes the right to write to it away, and starts what the image starts: `make image-check`. $1 is the Python to use.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
deploy/image/install.sh "$folder/calldock" "$1"
chmod -R a-w "$folder/calldock"
cd "$folder"
run() { env -i PATH="$folder/calldock/bin:/usr/bin:/bin" PYTHONDONTWRITEBYTECODE=1 "$@"; }
run calldock --help >/dev/null
run envoy --version >/dev/null
if run python -c 'import pytest' 2>/dev/null; then echo "the image holds developers' tools" >&2; exit 1; fi
port=$(run python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# The whole of calldock; its ready line comes when Envoy and the three services answer healthy.
env -i PATH="$folder/calldock/bin:/usr/bin:/bin" PYTHONDONTWRITEBYTECODE=1 python -m services.cli up --data-dir "$folder/data" --listen "127.0.0.1:$port" >"$folder/out" 2>"$folder/log" &
up=$!
tries=0
until grep -q "calldock is ready" "$folder/out"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 "$up" 2>/dev/null; then cat "$folder/log" >&2; exit 1; fi
  sleep 0.2
done
run calldock accounts create Acme --data-dir "$folder/data" >/dev/null
kill -TERM "$up"
wait "$up"
echo "the image's steps ran; $(du -sh "$folder/calldock" | cut -f1) installed; calldock came up from it and stopped"
