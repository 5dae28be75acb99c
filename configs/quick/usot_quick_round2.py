"""A round of self-training: the schedule of usot_quick.py on boxes that the first round's tracker
has drawn again.

    python tools/relabel.py configs/quick/usot_quick.py work_dirs/usot_quick/epoch_10.pth \\
        work_dirs/quick/table --out work_dirs/quick/table2
    python tools/build_crop_store.py work_dirs/quick/table2 --out work_dirs/quick/crops2
    python tools/train.py configs/quick/usot_quick_round2.py

From scratch, so that only the boxes differ from round 1; ``--cfg-options
load_from=work_dirs/usot_quick/epoch_10.pth`` goes on from its weights instead.
``tools/self_train.sh`` does everything, for any number of rounds.
"""

_base_ = ['./usot_quick.py']
train_dataloader = dict(
    dataset=dict(table='work_dirs/quick/table2', crop_store='work_dirs/quick/crops2')
)
