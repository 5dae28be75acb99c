"""UAV123 and UAV20L."""

from __future__ import annotations

from usot_plugin.registry import DATASETS

from .annotations import flagged
from .box_files import BoxFileBenchmark, SequenceFiles
from .sequence_lists import read_list

#: Order of the 12 flags in an attribute file, from the benchmark's toolkit.
ATTRIBUTES = ('SV', 'ARC', 'LR', 'FM', 'FOC', 'POC', 'OV', 'BC', 'IV', 'VC', 'CM', 'SOB')


@DATASETS.register_module()
class UAV123Dataset(BoxFileBenchmark):
    """``ROOT/{data_seq/UAV123/<folder>/*.jpg, anno/<subset>/<sequence>.txt,
    anno/<subset>/att/<sequence>.txt}``.

    A sequence may be a part of a folder (``bird1_2``: frames 775 to 1477 of ``bird1``); UAV20L
    takes the long folders as they are. The target is absent where a line is nan.
    """

    SUBSETS = {'UAV123': 'UAV123', 'UAV20L': 'UAV20L'}
    #: The benchmark's toolkit is OTB's: a frame whose four values are not all positive, and so one
    #: of nan, has overlap and error -1.
    METAINFO = {'convention': 'otb_matlab'}
    #: Annotated for, and evaluated by, a MATLAB program whose pixels start at 1.
    origin = 1

    def find_names(self) -> list[str]:
        self._rows = {row[0]: row for row in read_list(self.subset.lower())}
        return list(self._rows)

    def files_of(self, name: str) -> SequenceFiles:
        _, folder, first, last = self._rows[name]
        annotations = self.data_root / 'anno' / self.subset
        return SequenceFiles(
            self.data_root / 'data_seq' / 'UAV123' / folder,
            annotations / f'{name}.txt',
            int(first),
            int(last),
            attributes=annotations / 'att' / f'{name}.txt',
        )

    def read_attributes(self, name: str, files: SequenceFiles) -> tuple[str, ...]:
        return flagged(files.attributes, ATTRIBUTES) if files.attributes else ()
