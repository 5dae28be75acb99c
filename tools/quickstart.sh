#!/usr/bin/env bash
# A tracker that has seen your video, on the CPU, in a few minutes:
#
#   bash tools/quickstart.sh                    on clips that are rendered for it
#   bash tools/quickstart.sh VIDEO_OR_FOLDER    on your own video, or a folder of videos or of frame folders
#   bash tools/quickstart.sh --from-scratch [VIDEO_OR_FOLDER]
#
# Installs what is missing (into the active virtual environment or .venv), finds moving objects, trains the weights that ship with the
# package a little further on the clips, follows the same objects before and after, and says whether it helped (usot adapt).
#
# With --from-scratch a small network learns from nothing instead: it is scored on two rendered sequences with exact boxes, and tracks the
# best object into a video. That takes two to three times as long.
#
# A second run, or one after a stop, goes on with what is done.
#
#   OUT=DIR       where everything goes (default: work_dirs/quickstart)
#   EPOCHS=N      length of the training (default: 5; from scratch 10)
#   SAMPLES=N     training groups an epoch (default: 160; from scratch 320)
#   CLIPS=N       clips that are used at most (default: 12; from scratch all)
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
for word in "$@"; do help_asked "$word"; done
usage() { echo "usage: bash tools/quickstart.sh [--from-scratch] [VIDEO_OR_FOLDER]" >&2; exit 2; }
from_scratch='' source_path=''
for word in "$@"; do
  case "$word" in
    --from-scratch) from_scratch=1 ;;
    -*) echo "error: $word: no such option" >&2; usage ;;
    *) [ -z "$source_path" ] || usage; source_path=$word ;;
  esac
done
if [ -n "$source_path" ]; then
  [ -e "$source_path" ] || { echo "error: $source_path: no such file or folder" >&2; exit 2; }
  source_path=$(cd "$(dirname "$source_path")" && pwd)/$(basename "$source_path")
fi
for name in EPOCHS SAMPLES CLIPS; do
  [[ ${!name:-1} =~ ^[1-9][0-9]*$ ]] || { echo "error: $name=${!name} is no positive number" >&2; exit 2; }
done
[ -z "${OUT:-}" ] || OUT=$(realpath -m "$OUT")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step 'install'
activate_env
# Without an NVIDIA GPU the small CPU build of torch is enough.
cpu_builds=https://download.pytorch.org/whl/cpu
if [ -z "${TORCH_INDEX_URL:-}" ] && [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 &&
  ! python -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)' &&
  python -c "import urllib.request; urllib.request.urlopen('$cpu_builds/torch/', timeout=5)" 2>/dev/null; then
  export TORCH_INDEX_URL=$cpu_builds
fi
bash tools/install_stack.sh eval
export CUDA_VISIBLE_DEVICES=
# Waiting threads sleep instead of spinning: where other programs use the cores too, training is several times faster.
export OMP_WAIT_POLICY=PASSIVE

config=configs/quick/usot_quick.py
out=${OUT:-work_dirs/quickstart}
rendered=$out/rendered
mkdir -p "$out"
if [ ! -e "$rendered/complete" ] && { [ -z "$source_path" ] || [ -n "$from_scratch" ]; }; then
  step 'render clips with exact boxes'
  python -m usot_plugin render "$rendered" --clips 12 --sequences 2 --frames 60 >/dev/null
  touch "$rendered/complete"
fi
clips=${source_path:-$rendered/clips}
# Each source has its own table, training and results.
name=$(basename "$clips" | tr -c 'A-Za-z0-9._\n-' '_')-$(printf %s "$clips" | cksum | cut -d' ' -f1)
run=$out/$name

if [ -z "$from_scratch" ]; then
  step "fine-tune on $clips"
  python -m usot_plugin adapt "$clips" --out "$run/finetuned" --limit "${CLIPS:-12}" \
    --cfg-options "train_cfg.max_epochs=${EPOCHS:-5}" "param_scheduler.1.end=${EPOCHS:-5}" \
    "train_dataloader.dataset.samples_per_epoch=${SAMPLES:-160}"
  step 'done'
  exit 0
fi

step "find moving objects in $clips"
python tools/discover_boxes.py configs/discovery/default.py "$clips" --out "$run/table" || {
  status=$?
  # 1: some clips could not be read, each is named above; the others are enough to go on with.
  [ "$status" -eq 1 ] || exit "$status"
}
# Clip and first box of the best object, to try the tracker on; stops here when there is nothing to train on.
python - "$run/table" "$run/start.json" "$rendered/sequences/seq_000" <<'PYTHON'
import json, pathlib, sys
from usot_plugin.cli.adapt import why_nothing
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.structures.boxes import xyxy_to_xywh

table_path, start_path, sequence = map(pathlib.Path, sys.argv[1:])
table = read_table(table_path)
good = sorted(table.samplable(), key=lambda row: -row.track.sequence_quality)
if not good:
    print(f'error: {why_nothing(table)}', file=sys.stderr)
    sys.exit(2)
start = {'clip': str(sequence / 'img'), 'box': (sequence / 'groundtruth.txt').read_text().splitlines()[0]}
for row in good:
    if row.track.first_frame == 0:
        box_xywh = xyxy_to_xywh(row.track.boxes_xyxy[:1].astype(float))[0]
        start = {'clip': row.path, 'box': ','.join(f'{value:.2f}' for value in box_xywh)}
        break
start_path.write_text(json.dumps(start))
PYTHON
python tools/analysis/browse_pseudo_boxes.py "$run/table" --out "$run/pseudo_boxes" --limit 12 --no-maps || [ $? -eq 1 ]

# Crops in a small database: training reads them many times faster than it seeks in videos. Clips that could not be read were named above.
python tools/build_crop_store.py "$run/table" --out "$run/crops" --quiet || [ $? -eq 1 ]

epochs=${EPOCHS:-10}
samples=${SAMPLES:-320}
trained=$run/${epochs}x$samples
checkpoint=$trained/epoch_$epochs.pth
if [ ! -e "$checkpoint" ]; then
  step "train $epochs epochs of $samples groups"
  mkdir -p "$trained"
  # Half of the epochs without cycle memory, half with it.
  python tools/train.py "$config" --work-dir "$trained" --resume --cfg-options train_dataloader.dataset.table="$run/table" \
    train_dataloader.dataset.crop_store="$run/crops" \
    train_dataloader.dataset.samples_per_epoch="$samples" train_cfg.max_epochs="$epochs" \
    model.train_cfg.cycle_start_epoch=$(((epochs + 1) / 2)) param_scheduler.1.end="$epochs" default_hooks.logger.interval=10 >"$trained/train.log" 2>&1 || {
    tail -n 3 "$trained/train.log" >&2
    fail "the training stopped; its log is $trained/train.log"
  }
  grep -E 'Epoch\(train\)' "$trained/train.log" | tail -n 1 | sed 's/.*Epoch/  Epoch/' || true
fi

step 'score on two rendered sequences'
python tools/test.py "$config" "$checkpoint" --sequences "$rendered/sequences" --work-dir "$trained/test" --out "$trained/results" >"$trained/test.log" 2>&1 || {
  tail -n 3 "$trained/test.log" >&2
  fail "the test stopped; its log is $trained/test.log"
}

report=$(find "$trained/results" -name report.md | head -n 1)
sed -n '/^| sequence/,/^$/p' "$report"

step 'track the best object into a video'
field() { python -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$run/start.json" "$1"; }
python tools/demo.py "$(field clip)" --config "$config" --checkpoint "$checkpoint" "--box=$(field box)" --out "$trained/video"

step 'done'
echo "pseudo boxes   $run/pseudo_boxes/index.html  (table: $run/table)"
echo "checkpoint     $checkpoint"
echo "scores         $report"
echo "video          $(find "$trained/video" -name '*.mp4' | head -n 1)"
