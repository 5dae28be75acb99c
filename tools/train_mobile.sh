#!/usr/bin/env bash
# The mobile tracker that ships with the package, from unlabeled clips and ImageNet's backbone: bash tools/train_mobile.sh CLIPS...
#
# A night on two cores, minutes on a GPU: the training lasts MINUTES and its rate follows the clock. Every step goes on where it was stopped.
#
#   OUT=DIR        where everything goes (default: work_dirs/mobile)
#   MINUTES=N      length of the training (default: 480; 6.3 with a GPU and DEVICE=gpu were those of the weights of the package)
#   DEVICE=gpu     batches of 128 in bfloat16, and WORKERS=4 loader processes
#   SEED=N         of weights and groups (default: 0)
#   OPTIONS="..."  further KEY=VALUE of the training
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: bash tools/train_mobile.sh CLIPS..." >&2; exit 2; }
clips=()
for clip in "$@"; do
  [ -e "$clip" ] || { echo "error: $clip: no such file or folder" >&2; exit 2; }
  clips+=("$(realpath "$clip")")
done
home=$(dirname "${BASH_SOURCE[0]}")/..
out=$(realpath -m "${OUT:-$home/work_dirs/mobile}")
cd "$home"
# shellcheck source=tools/lib_env.sh
source tools/lib_env.sh
activate_env
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
mkdir -p "$out"
seed=${SEED:-0} resume=()
read -ra options <<<"${OPTIONS:-}"
list=$(printf ',%s' "${clips[@]}")
keys=("train_dataloader.dataset.clips=[${list:1}]" "train_dataloader.dataset.tracks=$out/tracks.npz" "custom_hooks.0.minutes=${MINUTES:-480}"
  "model.backbone.body.init_cfg.checkpoint=$out/mobilenetv2.pth" "randomness.seed=$seed" "train_dataloader.dataset.seed=$seed")
if [ "${DEVICE:-cpu}" = gpu ]; then
  keys+=(optim_wrapper.type=AutocastOptimWrapper train_dataloader.batch_size=128 "train_dataloader.num_workers=${WORKERS:-4}"
    train_dataloader.pin_memory=True train_dataloader.prefetch_factor=4 env_cfg.cudnn_benchmark=True)
fi
[ -f "$out/mobilenetv2.pth" ] || python tools/fetch_backbone.py mobilenetv2 --out "$out/mobilenetv2.pth"
[ -f "$out/tracks.npz" ] || python -m usot_plugin follow "${clips[@]}" --out "$out/tracks.npz"
packed=()
for clip in "${clips[@]}"; do packed+=(--clips "$clip"); done
work=$out/seed$seed
if [ ! -e "$work/trained" ]; then
  [ ! -f "$work/last_checkpoint" ] || resume=(--resume)
  python tools/train.py configs/pretrained/usot_mobile.py --work-dir "$work" "${resume[@]}" --cfg-options "${keys[@]}" "${options[@]}"
  touch "$work/trained"
fi
python tools/pack_pretrained.py "$(cat "$work/last_checkpoint")" "${packed[@]}" --out "$out/usot_mobile.pth"
