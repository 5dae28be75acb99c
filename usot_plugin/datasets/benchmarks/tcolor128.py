"""Temple-Color 128."""

from __future__ import annotations

from usot_plugin.registry import DATASETS

from .annotations import AnnotationError, read_lines, read_rows
from .box_files import BoxFileBenchmark, SequenceFiles
from .sequence_lists import read_list

#: The benchmark's attributes; a file of flags has them in this order.
ATTRIBUTES = ('IV', 'SV', 'OCC', 'DEF', 'MB', 'FM', 'IPR', 'OPR', 'OV', 'BC', 'LR')


@DATASETS.register_module()
class TColor128Dataset(BoxFileBenchmark):
    """``ROOT/<sequence>/{img/*.jpg, <sequence>_gt.txt, <sequence>_frames.txt,
    <sequence>_att.txt}``.

    ``<sequence>_frames.txt`` holds the numbers of the first and of the last frame.
    """

    SUBSETS = {'all': 'TColor-128'}
    #: The benchmark is evaluated with OTB's toolkit.
    METAINFO = {'convention': 'otb_matlab'}
    #: For OTB's toolkit, as OTB's own annotation, some of which it takes over.
    origin = 1

    def find_names(self) -> list[str]:
        return [row[0] for row in read_list('tcolor128')]

    def files_of(self, name: str) -> SequenceFiles:
        folder = self.data_root / name
        attributes = folder / f'{name}_att.txt'
        if not folder.is_dir():
            return SequenceFiles(folder / 'img', folder / f'{name}_gt.txt', attributes=attributes)
        path = folder / f'{name}_frames.txt'
        numbers = [value for row in read_rows(path) for value in row]
        if len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1]:
            raise AnnotationError(
                path, f'the first and the last frame number are wanted, got {numbers}'
            )
        first, last = (int(number) for number in numbers)
        return SequenceFiles(
            folder / 'img', folder / f'{name}_gt.txt', first, last, attributes=attributes
        )

    def read_attributes(self, name: str, files: SequenceFiles) -> tuple[str, ...]:
        if files.attributes is None:
            return ()
        words = [
            word
            for line in read_lines(files.attributes)
            for word in line.replace(',', ' ').replace(';', ' ').split()
        ]
        if set(words) <= {'0', '1'} and len(words) == len(ATTRIBUTES):
            return tuple(
                attribute for attribute, flag in zip(ATTRIBUTES, words, strict=True) if flag == '1'
            )
        unknown = [word for word in words if word not in ATTRIBUTES]
        if unknown:
            raise AnnotationError(
                files.attributes,
                f'unknown attribute {unknown[0]!r}, known are {", ".join(ATTRIBUTES)}',
            )
        return tuple(words)
