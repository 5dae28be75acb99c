"""Import paths of the release before: they lead to the new place for one release, with a warning."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from types import CodeType, ModuleType

#: Old module -> new module, both below ``usot_plugin``.
MOVED: dict[str, str] = {
    'tools': 'cli',
    'tools.check_dataset': 'cli.check_dataset',
    'tools.crops': 'cli.crops',
    'tools.discover': 'cli.discover',
    'tools.export_annotations': 'cli.export_annotations',
    'tools.export_onnx': 'cli.export_onnx',
    'tools.imagenet_vid': 'cli.convert_imagenet_vid',
    'tools.relabel': 'cli.relabel',
    'tools.report': 'cli.report',
    'tools.submit': 'cli.make_submission',
    'tools.test': 'cli.test',
    'tools.track': 'cli.track',
    'tools.train': 'cli.train',
    'tools.train_pul': 'cli.train_pul',
    'apis.box_input': 'tracking.box_input',
    'apis.online': 'tracking.online',
    'apis.relabel': 'self_training.relabel',
    'apis.relabel_passes': 'self_training.passes',
    'apis.tracking': 'tracking.video',
    'datasets.annotated_boxes': 'datasets.boxes.annotated_boxes',
    'datasets.annotated_masks': 'datasets.boxes.annotated_masks',
    'datasets.box_sources': 'datasets.boxes.box_sources',
    'datasets.composite': 'datasets.synthetic.composite',
    'datasets.crop_store': 'datasets.frames.crop_store',
    'datasets.frame_readers': 'datasets.frames.frame_readers',
    'datasets.frame_samplers': 'datasets.samplers.frame_samplers',
    'datasets.mined_pairs': 'datasets.samplers.mined_pairs',
    'datasets.picture_boxes': 'datasets.boxes.picture_boxes',
    'datasets.store_building': 'datasets.frames.store_building',
    'datasets.synthetic_scene': 'datasets.synthetic.scene',
    'datasets.video_sources': 'datasets.frames.video_sources',
    'discovery.local_engine': 'discovery.many_clips.local_engine',
    'discovery.one_clip': 'discovery.many_clips.one_clip',
    'discovery.parts': 'discovery.table.parts',
    'discovery.pipeline': 'discovery.many_clips.pipeline',
    'discovery.progress': 'discovery.many_clips.progress',
    'discovery.ray_engine': 'discovery.many_clips.ray_engine',
    'discovery.relabelling': 'self_training.relabelling',
    'discovery.store': 'discovery.table.reading',
    'discovery.table_format': 'discovery.table.format',
    'engine.loops': 'engine.training_loops',
    'engine.self_training': 'self_training.rounds',
    'evaluation.comparison': 'evaluation.reports.comparison',
    'evaluation.failures': 'evaluation.reports.failures',
    'evaluation.formats': 'evaluation.results.formats',
    'evaluation.html_report': 'evaluation.reports.html_report',
    'evaluation.loops': 'evaluation.running.runner_loops',
    'evaluation.published': 'evaluation.reports.published',
    'evaluation.report': 'evaluation.reports.scores',
    'evaluation.results_vot': 'evaluation.results.vot_files',
    'evaluation.run_config': 'evaluation.running.run_config',
    'evaluation.score_table': 'evaluation.reports.scores',
    'evaluation.sharing': 'evaluation.running.sharing',
    'evaluation.side_by_side': 'evaluation.running.side_by_side',
    'evaluation.submissions': 'evaluation.results.submissions',
    'evaluation.vot_binary': 'evaluation.results.vot_binary',
    'evaluation.vot_report': 'evaluation.reports.scores',
    'models.multi_object': 'tracking.multi_object',
    'models.multi_object.association': 'tracking.multi_object.association',
    'models.multi_object.carried_tracks': 'tracking.multi_object.carried_tracks',
    'models.multi_object.detection_sources': 'tracking.multi_object.detection_sources',
    'models.trackers': 'tracking',
    'models.trackers.base': 'tracking.base',
    'models.trackers.build': 'tracking.build',
    'models.trackers.few_shot': 'tracking.udt.few_shot',
    'models.trackers.first_frame': 'tracking.siamfc.first_frame',
    'models.trackers.function': 'tracking.known_answers.function',
    'models.trackers.memory_queue': 'tracking.usot.memory_queue',
    'models.trackers.onnx_network': 'tracking.usot.onnx_network',
    'models.trackers.oracle': 'tracking.known_answers.oracle',
    'models.trackers.siamese_geometry': 'tracking.siamese_geometry',
    'models.trackers.siamfc': 'tracking.siamfc.tracker',
    'models.trackers.siamrpn': 'tracking.siamrpn.tracker',
    'models.trackers.stand_still': 'tracking.known_answers.stand_still',
    'models.trackers.udt': 'tracking.udt.tracker',
    'models.trackers.udt_online': 'tracking.udt.online_filter',
    'models.trackers.udt_samples': 'tracking.udt.sample_space',
    'models.trackers.udt_scale': 'tracking.udt.scale_filter',
    'models.trackers.usot': 'tracking.usot.tracker',
    'models.trackers.usot_network': 'tracking.usot.network',
    'models.trackers.window_crop': 'tracking.window_crop',
}


class _Alias(importlib.abc.Loader):
    """Gives the module at its new place under the old name."""

    def __init__(self, new: str) -> None:
        self.new = new
        self.spec: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module itself: both names are one object, so that classes stay the same."""
        warnings.warn(
            f'{spec.name} is now {self.new}; the old name goes with the next release',
            FutureWarning,
            stacklevel=2,
        )
        module = importlib.import_module(self.new)
        self.spec = module.__spec__
        return module

    def get_code(self, name: str) -> CodeType | None:
        """The code of the module, for ``python -m`` with the old name."""
        spec = importlib.util.find_spec(self.new)
        assert spec is not None and isinstance(spec.loader, importlib.abc.InspectLoader)
        return spec.loader.get_code(self.new)

    def exec_module(self, module: ModuleType) -> None:
        """Only gives the module its own spec back: it has been executed under its own name."""
        module.__spec__ = self.spec


class MovedModules(importlib.abc.MetaPathFinder):
    """Finds what :data:`MOVED` names.

    Asked first: a folder of bytecode that an update left behind would be taken for the package.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of an old name, None for every other name."""
        package, _, module = name.partition('.')
        if package != __package__ or module not in MOVED:
            return None
        new = f'{package}.{MOVED[module]}'
        spec = importlib.machinery.ModuleSpec(name, _Alias(new))
        real = importlib.util.find_spec(new)
        if real is not None:
            spec.origin = real.origin
        if real is not None and real.submodule_search_locations is not None:
            spec.submodule_search_locations = list(real.submodule_search_locations)
        return spec


def install() -> None:
    """Make the old names importable; once is enough."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
