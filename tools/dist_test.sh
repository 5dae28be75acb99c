#!/usr/bin/env bash
# Track a benchmark on several processes: tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Without a GPU the processes run on the CPU (Gloo). Several machines: set NNODES, NODE_RANK, MASTER_ADDR (and PORT) on each.
# PYTHON names the interpreter (default: python).
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
[ $# -ge 3 ] || { echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2; exit 2; }
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --nproc_per_node="$GPUS" --master_port="${PORT:-29500}" "$(dirname "${BASH_SOURCE[0]}")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch \
  "${@:4}"
