#!/usr/bin/env bash
# Self-training on unlabeled clips: discover -> train -> relabel -> crop store -> train ... (docs/self_training.md)
#
#   bash tools/self_train.sh VIDEO_OR_FOLDER...
#
# A stopped run goes on where it was; a finished one does nothing; other settings are refused.
#
#   OUT=DIR        where everything goes (default: work_dirs/self_train)
#   ROUNDS=N       trainings (default: 2)
#   CONFIG=FILE    what is trained (default: configs/quick/usot_quick.py); its data set takes a table and a crop store
#   DISCOVERY=FILE config of discovery (default: configs/discovery/default.py)
#   SEED=N         of every training (default: 0)
#   WORKERS=N      clips at once (default: 1)
#   KEEP=1         go on from the weights of the round before (default: from scratch)
#   RELABEL="..."  further options of tools/relabel.py;  OPTIONS="..." further KEY=VALUE of the trainings
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
[ $# -ge 1 ] || { echo "usage: bash tools/self_train.sh VIDEO_OR_FOLDER..." >&2; exit 2; }
clips=()
for clip in "$@"; do
  [ -e "$clip" ] || { echo "error: $clip: no such file or folder" >&2; exit 2; }
  clips+=("$(realpath "$clip")")
done
config=$(realpath -m "${CONFIG:-$(dirname "${BASH_SOURCE[0]}")/../configs/quick/usot_quick.py}")
discovery=$(realpath -m "${DISCOVERY:-$(dirname "${BASH_SOURCE[0]}")/../configs/discovery/default.py}")
out=$(realpath -m "${OUT:-$(dirname "${BASH_SOURCE[0]}")/../work_dirs/self_train}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
activate_env
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
workers=${WORKERS:-1}
rounds=${ROUNDS:-2}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { echo "error: ROUNDS=$rounds is no number of trainings" >&2; exit 2; }
read -ra relabel_options <<<"${RELABEL:-}"
read -ra train_options <<<"${OPTIONS:-}"

plan=$(python -m usot_plugin.self_training.rounds "$config" "$discovery" --rounds "$rounds" \
  ${OPTIONS:+--cfg-options "${train_options[@]}"} | tail -n 1) || exit 2
read -r tool dataset <<<"$plan"

mkdir -p "$out"
# More rounds or workers go on with what is there; anything else would silently keep trainings of other settings.
settings="CONFIG=$config DISCOVERY=$discovery SEED=${SEED:-0} KEEP=${KEEP:-} RELABEL=${RELABEL:-} OPTIONS=${OPTIONS:-}"
if [ -e "$out/settings" ] && [ "$(cat "$out/settings")" != "$settings" ]; then
  echo "error: $out: its rounds were made with $(cat "$out/settings"): give the same, or another OUT" >&2
  exit 2
fi
echo "$settings" >"$out/settings.part"
mv "$out/settings.part" "$out/settings" # whole, on a full disk too
before=
for round in $(seq 1 "$rounds"); do
  here=$out/round$round
  if [ "$round" -eq 1 ]; then
    some python tools/discover_boxes.py "$discovery" "${clips[@]}" --out "$here/table" --workers "$workers" --quiet
  else
    some python tools/relabel.py "$config" "$before" "$table" --out "$here/table" --workers "$workers" --quiet "${relabel_options[@]}"
  fi
  table=$here/table
  if [ ! -e "$here/trained" ]; then
    some python tools/build_crop_store.py "$table" --out "$here/crops" --workers "$workers" --quiet
    resume=() start=()
    if [ "$tool" = tools/train_pul.py ]; then
      start=("shared_dir=$here/train")  # each round mines its own pairs; the tool goes on by itself
      [ -z "${KEEP:-}" ] || [ -z "$before" ] || start+=("load_from=$before")
    elif [ -f "$here/train/last_checkpoint" ]; then
      resume=(--resume)
    elif [ -n "${KEEP:-}" ] && [ -n "$before" ]; then
      start=("load_from=$before")  # together with --resume, the round would begin at the last epoch of the one before
    fi
    python "$tool" "$config" --work-dir "$here/train" "${resume[@]}" --cfg-options "randomness.seed=${SEED:-0}" \
      "train_dataloader.dataset.seed=${SEED:-0}" "$dataset.seed=${SEED:-0}" "$dataset.table=$table" "$dataset.crop_store=$here/crops" \
      "${start[@]}" "${train_options[@]}" >>"$here/train.log" 2>&1 || {
      tail -n 3 "$here/train.log" >&2
      fail "the training of round $round stopped; its log is $here/train.log, the same command goes on"
    }
    cp "$here/train/last_checkpoint" "$here/trained.part" && mv "$here/trained.part" "$here/trained"
  fi
  before=$(cat "$here/trained")
  echo "round $round: $before"
done
