#!/usr/bin/env bash
# The weights that ship with the package, from unlabeled clips: bash tools/train_pretrained.sh CLIPS...
#
# Four rounds, about two CPU hours on one core. Every step goes on where it was stopped; a finished training is kept.
#
#   OUT=DIR          where everything goes (default: work_dirs/pretrained)
#   WEIGHTS=FILE     the packed weights (default: OUT/usot_small.pth; those of the package are usot_plugin/pretrained/usot_small.pth)
#   COMPOSITES="A B" composite sequences of the first two rounds, and of the last two (default: 400 1000)
#   OPTIONS="..."    further KEY=VALUE of every training, and RELABEL="..." of tools/relabel.py, e.g. to try the script in a minute
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
[ $# -ge 1 ] || { echo "usage: bash tools/train_pretrained.sh CLIPS..." >&2; exit 2; }
clips=()
for clip in "$@"; do
  [ -e "$clip" ] || { echo "error: $clip: no such file or folder" >&2; exit 2; }
  clips+=("$(realpath "$clip")")
done
home=$(dirname "${BASH_SOURCE[0]}")/..
data=$(realpath -m "${OUT:-$home/work_dirs/pretrained}")
weights=$(realpath -m "${WEIGHTS:-$data/usot_small.pth}")
cd "$home"
activate_env
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
read -r few many <<<"${COMPOSITES:-400 1000}"
read -ra options <<<"${OPTIONS:-}"
read -ra relabel_options <<<"${RELABEL:-}"

newest() { cat "$data/$1/last_checkpoint"; }

composites() {  # COUNT
  python -m usot_plugin compose "${clips[@]}" --table "$data/table" --out "$data/composites" --count "$1" --frames 40
}

train() {  # ROUND CONFIG SEED TABLE CROPS [ROUND BEFORE]
  local work=$data/$1 resume=()
  [ ! -e "$work/trained" ] || return 0
  local keys=("randomness.seed=$3" "train_dataloader.dataset.datasets.0.seed=$3" "train_dataloader.dataset.datasets.1.seed=$3"
    "train_dataloader.dataset.datasets.0.table=$4" "train_dataloader.dataset.datasets.0.crop_store=$5"
    "train_dataloader.dataset.datasets.1.sequences.data_root=$data/composites")
  if [ -f "$work/last_checkpoint" ]; then
    resume=(--resume) keys+=("load_from=None")  # together, the round would begin at the last epoch of the one before
  elif [ $# -gt 5 ]; then
    keys+=("load_from=$(newest "$6")")
  fi
  python tools/train.py "$2" --work-dir "$work" "${resume[@]}" --cfg-options "${keys[@]}" "${options[@]}"
  touch "$work/trained"
}

some python tools/discover_boxes.py configs/discovery/default.py "${clips[@]}" --out "$data/table"
some python tools/build_crop_store.py "$data/table" --out "$data/crops"
composites "$few"
train round1 configs/pretrained/usot_small_round1.py 0 "$data/table" "$data/crops"
train round2 configs/pretrained/usot_small_round2.py 1 "$data/table" "$data/crops" round1
[ -e "$data/round3/trained" ] || composites "$many"
train round3 configs/pretrained/usot_small_round3.py 2 "$data/table" "$data/crops" round2
some python tools/relabel.py configs/pretrained/usot_small_round2.py "$(newest round2)" "$data/table" --out "$data/table_2" \
  "${relabel_options[@]}"
some python tools/build_crop_store.py "$data/table_2" --out "$data/crops_2"
train round4 configs/pretrained/usot_small.py 3 "$data/table_2" "$data/crops_2" round3
python tools/pack_pretrained.py "$(newest round4)" --table "$data/table" --table "$data/table_2" \
  --sequences "$data/composites" --out "$weights"
