#!/usr/bin/env bash
# One call on a machine that has a graphics card and torch, but no network and not all packages of this project.
#
#     bash experiments/gpu/run.sh first|second|third|fourth OUT [--toy]
#
# OUT gets results.jsonl and output.txt, written line by line, with profile.txt and training_ROW.tar.gz. --toy rehearses
# on the CPU.
# Folder .gpu/ of the repository holds what was carried along: wheels/, weights/, data/ (`python -m experiments.gpu.pack`).
set -euo pipefail
cd "$(dirname "$0")/../.."
call=$1 out=$2
shift 2
mkdir -p "$out"
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
site="${TMPDIR:-/tmp}/promise-site"
if compgen -G '.gpu/wheels/*.whl' > /dev/null && [ ! -e "$site/installed" ]; then
  python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" .gpu/wheels/*.whl
  touch "$site/installed"
fi
# What one call carries stays on the machine, so that the next one need not carry it again.
if [ -d .gpu ]; then
  export PROMISE_GPU_CARRIED="${TMPDIR:-/tmp}/promise-carried"
  mkdir -p "$PROMISE_GPU_CARRIED"
  cp -ru .gpu/. "$PROMISE_GPU_CARRIED/"
fi
export PYTHONPATH="$site:$PYTHONPATH"
exec "${PYTHON:-python3}" -m experiments.gpu.lease "$call" "$out" "$@"
