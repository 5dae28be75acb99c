"""The command-line tools without a clone: ``python -m usot_plugin.tools.<verb>``.

A verb hands over to the script of the same job in ``tools/``, which the wheel carries. Configs are found by their path below ``configs/``:

    python -m usot_plugin.tools.discover configs/discovery/default.py VIDEOS --out work_dirs/table
    python -m usot_plugin.tools.train configs/quick/usot_quick.py --cfg-options train_dataloader.dataset.table=work_dirs/table
    python -m usot_plugin.tools.track VIDEO --box 10,20,30,40
"""

from __future__ import annotations

import os
import subprocess
import sys

from usot_plugin.utils.packaged import PACKAGE, packaged_folder

#: Verb -> script.
SCRIPTS = {
    'check_dataset': 'check_dataset.py',
    'crops': 'build_crop_store.py',
    'discover': 'discover_boxes.py',
    'export_annotations': 'export_annotations.py',
    'export_onnx': 'export_onnx.py',
    'imagenet_vid': 'convert_imagenet_vid.py',
    'relabel': 'relabel.py',
    'report': 'analysis/report.py',
    'submit': 'make_submission.py',
    'test': 'test.py',
    'track': 'demo.py',
    'train': 'train.py',
    'train_pul': 'train_pul.py',
}


def hand_over(verb: str) -> int:
    """Run the script of a verb as a process with this process's arguments, and give its exit status.

    A process of its own, because workers of a spawned pool import the main module anew and would not find the script otherwise.
    """
    path = os.pathsep.join(part for part in (str(PACKAGE.parent), os.environ.get('PYTHONPATH')) if part)
    command = [sys.executable, str(packaged_folder('tools') / SCRIPTS[verb]), *sys.argv[1:]]
    process = subprocess.Popen(command, env={**os.environ, 'PYTHONPATH': path})
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the script has got the signal, too, and ends in its own way
            continue
