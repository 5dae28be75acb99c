#!/usr/bin/env bash
# From unlabeled video to a tracker, on the CPU, in a few minutes:
#
#   bash tools/quickstart.sh                    on clips that are rendered for it
#   bash tools/quickstart.sh VIDEO_OR_FOLDER    on your own video, or a folder of videos or of frame folders
#
# Installs what is missing (into the active virtual environment or .venv), finds moving objects, trains a small network on them, scores it on
# two rendered sequences with exact boxes, and tracks the best object into a video. A second run reuses what is done.
#
#   OUT=DIR       where everything goes (default: work_dirs/quickstart)
#   EPOCHS=N      length of the training (default: 10)
#   SAMPLES=N     training groups an epoch (default: 320)
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
[ $# -le 1 ] || { echo "usage: bash tools/quickstart.sh [VIDEO_OR_FOLDER]" >&2; exit 2; }
source_path=${1:-}
if [ -n "$source_path" ]; then
  [ -e "$source_path" ] || { echo "error: $source_path: no such file or folder" >&2; exit 2; }
  source_path=$(cd "$(dirname "$source_path")" && pwd)/$(basename "$source_path")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step 'install'
activate_env
# Without an NVIDIA GPU the small CPU build of torch is enough.
cpu_builds=https://download.pytorch.org/whl/cpu
if [ -z "${TORCH_INDEX_URL:-}" ] && [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 &&
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
if [ ! -e "$rendered/complete" ]; then
  step 'render clips with exact boxes'
  python -m usot_plugin.datasets.synthetic.clips "$rendered" --clips 12 --sequences 2 --frames 60 >/dev/null
  touch "$rendered/complete"
fi
clips=${source_path:-$rendered/clips}
# Each source has its own table, training and results.
name=$(basename "$clips" | tr -c 'A-Za-z0-9._\n-' '_')-$(printf %s "$clips" | cksum | cut -d' ' -f1)
run=$out/$name

step "find moving objects in $clips"
python tools/discover_boxes.py configs/discovery/default.py "$clips" --out "$run/table" || {
  status=$?
  # 1: some clips could not be read, each is named above; the others are enough to go on with.
  [ "$status" -eq 1 ] || exit "$status"
}
# Clip and first box of the best object, to try the tracker on; stops here when there is nothing to train on.
python - "$run/table" "$run/start.json" "$rendered/sequences/seq_000" <<'PYTHON'
import json, pathlib, sys
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.structures.boxes import xyxy_to_xywh

table_path, start_path, sequence = map(pathlib.Path, sys.argv[1:])
table = read_table(table_path)
good = sorted(table.samplable(), key=lambda row: -row.track.sequence_quality)
if not good:
    reasons = sorted({f'  {row.clip}: {row.detail or row.reason or "boxes too unreliable to train on"}' for row in table})
    sys.exit('error: no moving object that is good enough to train on; a few clips with one clearly moving thing each are enough\n' + '\n'.join(reasons[:20]))
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
