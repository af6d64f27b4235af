#!/bin/bash
# Submits a flaky command, waits for it, and tries again up to three times with bsub -K, whose exit code is the job's.
set -uo pipefail
for try in 1 2 3; do
  if bsub -K -J "flaky.$try" -o "flaky.$try.out" "$@" 2> /dev/null; then
    echo "done at try $try"
    exit 0
  fi
done
echo "failed three times" >&2
exit 1
