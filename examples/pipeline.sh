#!/bin/bash
# Stages that wait for each other: prepare, then an array, then a merge when all of it is done, and a report should any stage
# fail. Run it where the data are; it prints the number of the last job, for bwait.
set -euo pipefail

# submit gives the number of the job that bsub made of its arguments.
submit() { bsub "$@" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'; }

prepare=$(submit -J prepare -o prepare.out 'seq 1 6 > input')
work=$(submit -J "work[1-6]" -w "done($prepare)" -o work.%I.out 'n=$(sed -n "${LSB_JOBINDEX}p" input); echo $((n * n)) > part.$LSB_JOBINDEX')
merge=$(submit -J merge -w "done($work)" -o merge.out "awk '{s += \$1} END {print s}' part.* > total")
submit -J alarm -w "exit($prepare) || exit($work) || exit($merge)" 'touch failed' > alarm.job
echo "$merge"
