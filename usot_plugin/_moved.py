"""Import paths, configs and config keys of the release before.

They lead to the new place for one release, with a warning.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

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

#: Group of the discovery config -> its keys, each with its old name where that was another.
_DISCOVERY_GROUPS = {
    'map': 'size_wh=flow_size_wh pixel_unit margin',
    'frames': 'eval_gap=eval_gap_frames max_count=max_frames window=window_frames window_overlap',
    'interval': (
        'start=interval_start min=interval_min max=interval_max fast_px=fast_flow_px '
        'slow_px=slow_flow_px'
    ),
    'candidates': (
        'alphas gate_mean_px gate_peak_ratio min_peak_px min_region_px min_side_ratio '
        'min_area_px=min_box_area_px max_aspect max_border_span border_px centre_weight '
        'peak_factor border_factor per_mask=candidates_per_mask nms=candidate_nms'
    ),
    'trajectory': (
        'distance_weight negative_factor pick_reward link_candidates link_frames min_link_reward'
    ),
    'fill': 'legacy=legacy_fill end_noise_px end_noise_min_px seed',
    'quality': (
        'radius=quality_radius corner_tolerance_px edge_weight min_sequence_quality '
        'max_corner_share min_value corner_discount sample_min_value sample_max_corner_share '
        'centrality_cap'
    ),
    'fragments': (
        'step=fragment_step reach=fragment_reach distance_weight=fragment_distance_weight '
        'min_reward=fragment_min_reward min_quality=fragment_min_quality trim=fragment_trim'
    ),
    'objects': 'per_clip=objects_per_clip suppress_overlap trim_ends min_picks',
}
#: Old, flat key of a discovery config -> new key.
DISCOVERY_KEYS: dict[str, str] = {
    name.rpartition('=')[2]: f'{group}.{name.partition("=")[0]}'
    for group, names in _DISCOVERY_GROUPS.items()
    for name in names.split()
}

#: Old config, below ``configs/`` -> its new place and what the command line takes beside it.
CONFIGS: dict[str, str] = {
    '_base_/models/siamfc.py': '_base_/models/siamfc_net.py',
    '_base_/models/siammask_r50.py': '_base_/models/siammask_r50_net.py',
    '_base_/models/siamrpn_quick.py': '_base_/models/siamrpn_quick_net.py',
    '_base_/models/siamrpn_r50.py': '_base_/models/siamrpn_r50_net.py',
    'cyclesiam/cyclesiam-121.py': 'cyclesiam/cyclesiam_121.py',
    'cyclesiam/cyclesiam-plus_no-refinement.py': (
        'cyclesiam/cyclesiam-plus.py --cfg-options model.backbone.type=SiameseResNet '
        'model.refine_head=None'
    ),
    'cyclesiam/cyclesiam_published-weights.py': (
        'cyclesiam/cyclesiam.py --cfg-options model.train_cfg.score_weight=1.0 '
        'model.train_cfg.box_weight=1.2'
    ),
    'cyclesiam/cyclesiam_random-boxes.py': (
        'cyclesiam/cyclesiam.py --cfg-options train_dataloader.dataset.box_source=random'
    ),
    'cyclesiam/cyclesiam_saliency.py': (
        'cyclesiam/cyclesiam.py --cfg-options train_dataloader.dataset.box_source=saliency'
    ),
    'cyclesiam/siammask-supervised.py': 'cyclesiam/siammask_supervised.py',
    'cyclesiam/siammask_davis2016.py': 'cyclesiam/siammask_supervised.py --benchmark davis2016',
    'cyclesiam/siammask_davis2017.py': 'cyclesiam/siammask_supervised.py --benchmark davis2017',
    'cyclesiam/siammask_vot2016.py': (
        'cyclesiam/siammask_supervised.py --benchmark vot2016 --cfg-options '
        'model.test_cfg.region=rotated_box model.test_cfg.mask_threshold=0.3'
    ),
    'cyclesiam/siammask_vot2017.py': (
        'cyclesiam/siammask_supervised.py --benchmark vot2017 --cfg-options '
        'model.test_cfg.region=rotated_box model.test_cfg.mask_threshold=0.3'
    ),
    'cyclesiam/siammask_vot2018.py': (
        'cyclesiam/siammask_supervised.py --benchmark vot2018 --cfg-options '
        'model.test_cfg.region=rotated_box model.test_cfg.mask_threshold=0.3'
    ),
    'cyclesiam/siammask_vot2019.py': (
        'cyclesiam/siammask_supervised.py --benchmark vot2019 --cfg-options '
        'model.test_cfg.region=rotated_box model.test_cfg.mask_threshold=0.3'
    ),
    'cyclesiam/siamrpn-l234.py': 'cyclesiam/siamrpn_l234.py',
    'cyclesiam/siamrpn-supervised.py': 'cyclesiam/siamrpn_supervised.py',
    'cyclesiam/siamrpn_vot2016.py': 'cyclesiam/siamrpn_supervised.py --benchmark vot2016',
    'cyclesiam/siamrpn_vot2018.py': 'cyclesiam/siamrpn_supervised.py --benchmark vot2018',
    'mixed/carried_tracks.py': 'mixed/carried-tracks_usot.py',
    'mixed/depthwise_memory.py': 'mixed/usot_r50_depthwise-head.py',
    'mixed/depthwise_memory_quick.py': (
        'quick/usot_quick.py --cfg-options model.head.type=DepthwiseHead'
    ),
    'mixed/usot_got10k_semi.py': 'mixed/usot_r50_semi_got10k.py',
    'mixed/usot_got10k_supervised.py': (
        'mixed/usot_r50_semi_got10k.py --cfg-options train_dataloader.dataset.quotas=[50000,0] '
        'train_dataloader.dataset.label_share=1.0'
    ),
    'mixed/usot_mmdet_resnet.py': 'mixed/usot_mmdet-r50.py',
    'mixed/usot_swin_tiny.py': 'mixed/usot_swin-tiny.py',
    'pul/alexpul-bce.py': 'pul/alexpul_bce.py',
    'pul/alexpul-l2.py': 'pul/alexpul_l2.py',
    'pul/alexpul_no-hard-negatives.py': (
        'pul/alexpul.py --cfg-options discrimination.model.loss.hard_negatives=0'
    ),
    'pul/alexpul_random-boxes.py': (
        'pul/alexpul.py --cfg-options discrimination.train_dataloader.dataset.box_source=random'
    ),
    'pul/respul-bce.py': 'pul/respul_bce.py',
    'pul/respul-l2.py': 'pul/respul_l2.py',
    'pul/siamdw-fc-supervised.py': 'pul/siamdw-fc_supervised.py',
    'quick/cyclesiam_quick_no-cycle.py': (
        'quick/cyclesiam_quick.py --cfg-options model.train_cfg.cycle_start_epoch=10'
    ),
    'quick/s2siamfc_quick_siamfc-discovered.py': 'quick/siamfc_quick_discovered.py',
    'quick/udt_quick_annotated.py': (
        'quick/udt_quick.py --cfg-options train_dataloader.dataset.box_source=annotated'
    ),
    'quick/udt_quick_centre.py': (
        'quick/udt_quick.py --cfg-options train_dataloader.dataset.box_source=centre'
    ),
    'quick/udt_quick_entropy.py': (
        'quick/udt_quick.py --cfg-options train_dataloader.dataset.box_source=entropy'
    ),
    'quick/udt_quick_saliency.py': (
        'quick/udt_quick.py --cfg-options train_dataloader.dataset.box_source=saliency'
    ),
    's2siamfc/s2siamfc_am.py': (
        's2siamfc/s2siamfc_baseline.py --cfg-options model.train_cfg.masks=2 '
        'model.train_cfg.raw_weight=0.7'
    ),
    's2siamfc/s2siamfc_k0.py': 's2siamfc/s2siamfc_full.py --cfg-options custom_hooks=[]',
    's2siamfc/s2siamfc_k100.py': 's2siamfc/s2siamfc_full.py',
    's2siamfc/s2siamfc_k50.py': (
        's2siamfc/s2siamfc_full.py --cfg-options custom_hooks.0.clusters=50'
    ),
    's2siamfc/s2siamfc_linear.py': (
        's2siamfc/s2siamfc_full.py --cfg-options model.test_cfg.template_rate=0.0102'
    ),
    's2siamfc/s2siamfc_masks1.py': (
        's2siamfc/s2siamfc_full.py --cfg-options model.train_cfg.masks=1'
    ),
    's2siamfc/s2siamfc_masks2.py': 's2siamfc/s2siamfc_full.py',
    's2siamfc/s2siamfc_masks3.py': (
        's2siamfc/s2siamfc_full.py --cfg-options model.train_cfg.masks=3'
    ),
    's2siamfc/siamfc_finetune-10.py': 's2siamfc/siamfc_finetune.py',
    's2siamfc/siamfc_finetune-5.py': (
        's2siamfc/siamfc_finetune.py --cfg-options model.test_cfg.tuning.iterations=5'
    ),
    'udt/dcfnet-supervised.py': 'udt/dcfnet_supervised.py',
    'udt/udt-finetune.py': (
        'udt/udt.py --cfg-options model.test_cfg.adapt_frames=5 model.test_cfg.adapt_iterations=100'
    ),
    'udt/udt-lite.py': 'udt/udt_discovered.py',
    'udt/udt-more-data.py': 'udt/udt_more-data.py',
    'udt/udt-single-trajectory.py': 'udt/udt_single-trajectory.py',
    'udt/udt-standard-loss.py': 'udt/udt_standard-loss.py',
    'udt/udt-weakly.py': 'udt/udt_weakly.py',
    'usot/usot-star_r50_no-naive-stage.py': (
        'usot/usot-star_r50.py --cfg-options model.train_cfg.cycle_start_epoch=0'
    ),
    'usot/usot_r50_naive.py': (
        'usot/usot-star_r50_naive.py --cfg-options '
        'model.backbone.init_cfg.checkpoint=weights/moco_v2_800_siamese_resnet50.pth'
    ),
    'usot/usot_r50_no-naive-stage.py': (
        'usot_r50.py --cfg-options model.train_cfg.cycle_start_epoch=0'
    ),
    'usot/usot_r50_otb100.py': 'usot_r50.py --benchmark otb100',
    'usot/usot_r50_random-boxes.py': (
        'usot/usot-star_r50_random-boxes.py --cfg-options '
        'model.backbone.init_cfg.checkpoint=weights/moco_v2_800_siamese_resnet50.pth'
    ),
    'usot/usot_r50_vot2018.py': 'usot_r50.py --benchmark vot2018',
}


def rename_keys(
    values: Mapping[str, Any], table: Mapping[str, str], where: str | None = None
) -> dict[str, Any]:
    """A copy of a config in which every old key is under its new, dotted name.

    A value under an old name wins over one under the new name: that comes from a config of this
    package that the user's config builds on.

    Args:
        values: The config.
        table: Old key -> new key.
        where: What is read, for the warning; None where the user cannot change it.
    """
    renamed = {key: value for key, value in values.items() if key not in table}
    for old in (key for key in values if key in table):
        *groups, name = table[old].split('.')
        node = renamed
        for group in groups:
            node[group] = dict(node.get(group) or {})
            node = node[group]
        node[name] = values[old]
        if where is not None:
            text = f'{where}: {old} is now {table[old]}; the old key goes with the next release'
            warnings.warn(text, FutureWarning, stacklevel=3)
    return renamed


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
