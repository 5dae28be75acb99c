"""LaSOT and its extension subset."""

from __future__ import annotations

from usot_plugin.registry import DATASETS

from .annotations import flagged
from .box_files import BoxFileBenchmark, SequenceFiles
from .sequence_lists import read_list

#: Sequences of each category of LaSOT; those that are not for testing are for training.
PER_CATEGORY = 20
#: Order of the 14 flags in an attribute file, from the LaSOT evaluation toolkit.
ATTRIBUTES = (
    'IV',
    'POC',
    'DEF',
    'MB',
    'CM',
    'ROT',
    'BC',
    'VC',
    'SV',
    'FOC',
    'FM',
    'OV',
    'LR',
    'ARC',
)


@DATASETS.register_module()
class LaSOTDataset(BoxFileBenchmark):
    """``ROOT/<category>/<category>-<n>/{img/*.jpg, groundtruth.txt, full_occlusion.txt,
    out_of_view.txt}``.

    Subsets: 'test' (280 sequences), 'train' (the other 1,120) and 'extension' (150). The target is
    absent where it is fully occluded or out of view. Attributes are read from
    ``ROOT/att/<sequence>.txt`` (``annos/att`` of the evaluation toolkit) where that folder is
    there.
    """

    SUBSETS = {'test': 'LaSOT', 'train': 'LaSOT train', 'extension': 'LaSOT extension'}
    #: The evaluation toolkit removes the frames in which the target is absent.
    METAINFO = {'convention': 'lasot'}
    #: Boxes that touch the border start at 1, never at 0 (person-10 in the evaluation toolkit),
    #: which is a MATLAB program, too.
    origin = 1

    def find_names(self) -> list[str]:
        names = []
        for category, *listed in read_list(
            'lasot_extension' if self.subset == 'extension' else 'lasot'
        ):
            wanted = [int(number) for number in listed]
            if self.subset == 'train':
                wanted = [number for number in range(1, PER_CATEGORY + 1) if number not in wanted]
            names += [f'{category}-{number}' for number in wanted]
        return names

    def files_of(self, name: str) -> SequenceFiles:
        folder = self.data_root / name.rpartition('-')[0] / name
        absence = (folder / 'full_occlusion.txt', folder / 'out_of_view.txt')
        attributes = self.data_root / 'att' / f'{name}.txt'
        shipped = attributes.parent.is_dir()
        return SequenceFiles(
            folder / 'img',
            folder / 'groundtruth.txt',
            absence=absence,
            attributes=attributes if shipped else None,
        )

    def read_attributes(self, name: str, files: SequenceFiles) -> tuple[str, ...]:
        return flagged(files.attributes, ATTRIBUTES) if files.attributes else ()
