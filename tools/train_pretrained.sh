#!/usr/bin/env bash
# The weights that ship with the package, from unlabeled clips: tools/train_pretrained.sh CLIPS...
#
# Four rounds, about two CPU hours on one core. Every step goes on where it was stopped.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 CLIPS..." >&2; exit 2; }
clips=()
for clip in "$@"; do clips+=("$(realpath "$clip")"); done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/lib_env.sh
source tools/lib_env.sh
activate_env
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
data=work_dirs/pretrained

train() {  # NAME CONFIG SEED: resumes where there is a checkpoint
  local work=$data/$1 seed=$3 resume=()
  if [ -f "$work/last_checkpoint" ]; then resume=(--resume); fi
  python tools/train.py "$2" --work-dir "$work" "${resume[@]}" --cfg-options "randomness.seed=$seed" \
    "train_dataloader.dataset.datasets.0.seed=$seed" "train_dataloader.dataset.datasets.1.seed=$seed"
}

python tools/discover_boxes.py configs/discovery/default.py "${clips[@]}" --out $data/table
python tools/build_crop_store.py $data/table --out $data/crops
python -m usot_plugin.datasets.composite "${clips[@]}" --table $data/table --out $data/composites --count 400 --frames 40
train round1 configs/pretrained/usot_small.py 0
train round2 configs/pretrained/usot_small_round2.py 1
python -m usot_plugin.datasets.composite "${clips[@]}" --table $data/table --out $data/composites --count 1000 --frames 40
train round3 configs/pretrained/usot_small_round3.py 2
python tools/relabel.py configs/pretrained/usot_small_round2.py $data/round2/epoch_14.pth $data/table --out $data/table_2
python tools/build_crop_store.py $data/table_2 --out $data/crops_2
train round4 configs/pretrained/usot_small_round4.py 3
python tools/pack_pretrained.py configs/pretrained/usot_small_round4.py $data/round4/epoch_12.pth --table $data/table --table $data/table_2 \
  --sequences $data/composites --out usot_plugin/pretrained/usot_small.pth
