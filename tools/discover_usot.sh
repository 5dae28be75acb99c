#!/usr/bin/env bash
# The four pseudo-box tables of configs/usot_r50.py: bash tools/discover_usot.sh [DATA [arguments of discover_boxes.py]]
#
# DATA (default: data) holds imagenet_vid/, got10k/, lasot/ and youtube_vos/ as their owners publish them, LaSOT with its
# training_set.txt. The tables go to DATA/pseudo_boxes/, which is where the config looks. A stopped run goes on with the same command.
# Exit status 1: some clips could not be used, each is named; the tables are complete without them.
#
#   OUT=DIR        where the tables go (default: DATA/pseudo_boxes)
#   SETS="A B"     these sets only (default: "imagenet_vid got10k lasot youtube_vos")
set -euo pipefail
data=${1:-data}
home=$(dirname "${BASH_SOURCE[0]}")/..
out=${OUT:-$data/pseudo_boxes}
worst=0
for name in ${SETS:-imagenet_vid got10k lasot youtube_vos}; do
  case $name in
    imagenet_vid | got10k) config=default ;;
    lasot | youtube_vos) config=$name ;;
    *) echo "error: SETS: $name is none of imagenet_vid, got10k, lasot, youtube_vos" >&2; exit 2 ;;
  esac
  echo "$name: configs/discovery/$config.py -> $out/$name"
  status=0
  python "$home/tools/discover_boxes.py" "$home/configs/discovery/$config.py" "$data/$name" --layout "$name" --out "$out/$name" "${@:2}" ||
    status=$?
  [ "$status" -le 1 ] || exit "$status"
  [ "$status" -le "$worst" ] || worst=$status
done
exit "$worst"
