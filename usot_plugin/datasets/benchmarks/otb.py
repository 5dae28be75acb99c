"""OTB-2013, OTB-50 and OTB-100."""

from __future__ import annotations

from usot_plugin.registry import DATASETS

from .box_files import BoxFileBenchmark, SequenceFiles
from .sequence_lists import read_list


@DATASETS.register_module()
class OTB100Dataset(BoxFileBenchmark):
    """``ROOT/<folder>/{img/*.jpg, groundtruth_rect[.K].txt}``, the folders that the benchmark's
    page offers for download.

    ``Jogging.1`` and ``Jogging.2`` are two targets of one folder. Sequence list, frame ranges and
    attributes are data of this package.
    """

    SUBSETS = {'otb100': 'OTB-100', 'otb50': 'OTB-50', 'otb2013': 'OTB-2013'}
    METAINFO = {'convention': 'otb_matlab'}
    #: The MATLAB toolkit (tracker_benchmark_v1.0) draws the boxes and compares them with results in
    #: MATLAB's pixels, which start at 1.
    origin = 1

    def find_names(self) -> list[str]:
        self._rows = {row[0]: row for row in read_list('otb') if self.subset in row[4].split(',')}
        return list(self._rows)

    def files_of(self, name: str) -> SequenceFiles:
        first, last, skip = (int(value) for value in self._rows[name][1:4])
        folder, _, target = name.partition('.')
        annotation = f'groundtruth_rect.{target}.txt' if target else 'groundtruth_rect.txt'
        return SequenceFiles(
            self.data_root / folder / 'img', self.data_root / folder / annotation, first, last, skip
        )

    def read_attributes(self, name: str, files: SequenceFiles) -> tuple[str, ...]:
        return tuple(self._rows[name][5].split(','))
