#!/usr/bin/env bash
# Train through Slurm: GPUS=4 GPUS_PER_NODE=4 tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]
# Training in stages (configs/pul): TOOL=train_pul.py GPUS=4 tools/slurm_train.sh ...
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
[ $# -ge 4 ] || { echo "usage: [TOOL=train.py] [GPUS=4] [GPUS_PER_NODE=4] [CPUS_PER_TASK=5] [SRUN_ARGS=...] $0 PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]" >&2; exit 2; }
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
WORK_DIR=$4
GPUS=${GPUS:-4}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 4 ? GPUS : 4))}
# shellcheck disable=SC2086  (SRUN_ARGS holds several words)
exec srun -p "$PARTITION" --job-name="$JOB_NAME" --gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE" \
  --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
  python -u "$(dirname "${BASH_SOURCE[0]}")/${TOOL:-train.py}" "$CONFIG" --work-dir="$WORK_DIR" --launcher slurm "${@:5}"
