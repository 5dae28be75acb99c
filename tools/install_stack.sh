#!/usr/bin/env bash
# Install the tried stack and this package (editable) into the active virtual environment, or into .venv, which is made when missing.
#
#   bash tools/install_stack.sh [EXTRA ...]      e.g.  bash tools/install_stack.sh tests export
#
# Nothing is compiled: mmcv is installed without its ops, which this package does not need. A second run changes nothing and needs no
# network. An already installed torch is kept.
#
#   STACK=openmmlab        the official mmengine, mmcv-lite and mmdet instead of their OneDL continuation
#   PYTHON=python3.12      the interpreter a new .venv is made with
#   TORCH_INDEX_URL=URL    where torch comes from, e.g. https://download.pytorch.org/whl/cpu (small, no CUDA)
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
activate_env

step() { printf '%s (%d s)\n' "$1" "$SECONDS" >&2; }

step "installing into $(environment)"
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
cp requirements/constraints.txt "$constraints"
if kept=$(python -c 'import torch; print(torch.__version__)' 2>/dev/null); then
  sed -i.bak "s/^torch==.*/torch==$kept/" "$constraints" && rm -f "$constraints.bak"
else
  step 'torch: a few hundred megabytes, the longest step'
  pip_install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} -c "$constraints" torch
fi

extras=$(IFS=,; echo "$*")
step "host: ${STACK:-onedl}"
pip_install -c "$constraints" setuptools wheel
case ${STACK:-onedl} in
  onedl)
    # Built in pip's own build environment, where there is no torch: onedl-mmcv's setup.py compiles its ops whenever it can import torch
    # (half an hour), and knows no other switch.
    pip_install -c "$constraints" onedl-mmengine onedl-mmcv
    # onedl-mmdetection asks for imaug, which asks for two old OpenCV packages at once. Both run with the one OpenCV that is here, so their
    # other needs are named one by one.
    pip_install -c "$constraints" matplotlib pycocotools scipy shapely six terminaltables tqdm scikit-image imageio numba opencv-python
    pip_install -c "$constraints" --no-deps onedl-mmdetection imaug imagecorruptions-imaug
    ;;
  openmmlab) pip_install -c "$constraints" mmengine mmcv-lite mmdet ;;
  *) fail "STACK=$STACK is not known: onedl or openmmlab" ;;
esac
step "usot_plugin${extras:+ with what $extras needs}"
pip_install -c "$constraints" --no-build-isolation -e ".${extras:+[$extras]}"
python -m usot_plugin.utils.collect_env --brief
