#!/usr/bin/env bash
# Train on several processes of this machine, or of several machines: tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Training in stages (configs/pul): TOOL=train_pul.py tools/dist_train.sh CONFIG GPUS [arguments of train_pul.py]
# Without a GPU the processes run on the CPU (Gloo). Several machines: set NNODES, NODE_RANK, MASTER_ADDR (and PORT) on each.
# PYTHON names the interpreter (default: python).
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
[ $# -ge 2 ] || { echo "usage: [TOOL=train.py] $0 CONFIG GPUS [arguments of train.py]" >&2; exit 2; }
CONFIG=$1
GPUS=$2
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --nproc_per_node="$GPUS" --master_port="${PORT:-29500}" "$(dirname "${BASH_SOURCE[0]}")/${TOOL:-train.py}" "$CONFIG" --launcher pytorch "${@:3}"
