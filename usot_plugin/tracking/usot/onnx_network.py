"""A USOT network as ONNX graphs: written from a model, checked against it, and run with ONNX
Runtime behind :class:`USOTTracker`.

Four graphs, each with a dynamic batch, and ``meta.json``:

* ``template.onnx``: template crops and boxes to template codes;
* ``track.onnx``: search crops and template codes to scores, boxes and features;
* ``track_memory.onnx``: the same with memory codes and their multiplicity, and the memory branch's
  scores;
* ``memory.onnx``: features and boxes in cells to the codes of memory entries.

Crops are ``(B, S, S, 3)`` uint8 BGR as OpenCV holds them; normalisation is in the graphs.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from usot_plugin.models.heads.anchor_free import HeadCodes
from usot_plugin.models.layers.prroi_pool import prroi_pool
from usot_plugin.models.task_modules.grid import CellGrid
from usot_plugin.models.usot import USOT
from usot_plugin.utils.atomic import whole_file, write_text
from usot_plugin.utils.json_text import parse_json
from usot_plugin.utils.optional import require
from usot_plugin.version import __version__

from .network import Memories, SearchView, search_view, template_codes

META = 'meta.json'
OPSET = 18
#: Largest difference between PyTorch and ONNX Runtime that an export may show, relative to values
#: above 1.
TOLERANCE = 1e-4

Named = dict[str, Tensor]


class ExportError(ValueError):
    """A model cannot be exported, or a folder is no export; one line."""


class _Graph(nn.Module):
    """One of the functions of the network as a module with flat inputs and outputs.

    Args:
        model: The model.
        function: From the model and named inputs to named outputs.
        names: Of the inputs.
    """

    def __init__(self, model: USOT, function: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.function, self.names = model, function, list(names)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of :meth:`named`."""
        return tuple(self.named(dict(zip(self.names, inputs, strict=True))).values())

    def named(self, inputs: Named) -> Named:
        """Outputs by name."""
        return self.function(self.model, inputs)


def _template(model: USOT, inputs: Named) -> Named:
    codes = template_codes(model, inputs['crops'], inputs['boxes_xyxy'])
    return {**_numbered('cls', codes.cls), **_numbered('reg', codes.reg or [])}


def _track(model: USOT, inputs: Named) -> Named:
    memories = (
        Memories(_family(inputs, 'memory'), inputs['multiplicity'])
        if 'multiplicity' in inputs
        else None
    )
    view = search_view(
        model, inputs['crops'], HeadCodes(_family(inputs, 'cls'), _family(inputs, 'reg')), memories
    )
    found = {'scores': view.scores, 'boxes_xyxy': view.boxes_xyxy, 'features': view.features}
    return found if view.memory_scores is None else {**found, 'memory_scores': view.memory_scores}


def _memory(model: USOT, inputs: Named) -> Named:
    pooled = prroi_pool(inputs['features'], inputs['boxes_cells'], model.train_cfg['pool_size'])
    return _numbered('memory', model.head.encode_memory(pooled).cls)


FUNCTIONS = {'template': _template, 'track': _track, 'track_memory': _track, 'memory': _memory}


def _numbered(name: str, tensors: Sequence[Any]) -> dict[str, Any]:
    return {f'{name}{index}': tensor for index, tensor in enumerate(tensors)}


def _family(tensors: Mapping[str, Any], name: str) -> list[Any]:
    """Values of ``name0``, ``name1`` ... in order."""
    return [
        tensors[key] for key in sorted(tensors) if key.rstrip('0123456789') == name and key != name
    ]


def require_exporter() -> None:
    """Find out before a model is built whether graphs can be written and compared here.

    Raises:
        MissingPackageError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    for package in ('onnx', 'onnxruntime'):
        require(package, 'the export')


def export_network(model: USOT, folder: str | Path, options: Mapping[str, Any]) -> float:
    """Write the graphs of a model, compared with the model on random input of several batch sizes
    and the tracker's crop sizes.

    Args:
        model: The model, on the CPU; it is put into eval mode.
        folder: Where to write; ``meta.json`` comes last, so that a folder with it is complete.
        options: The tracker's config; it travels with the graphs. Its ``exemplar_px`` is the only
            template size that they take.

    Returns:
        The largest difference seen, relative to values above 1.

    Raises:
        MissingPackageError: ``onnx`` or ``onnxruntime`` is not installed.
        ExportError: A graph differs by more than :data:`TOLERANCE`.
        OSError: The folder cannot be written to.
    """
    require_exporter()
    model.eval()
    folder = Path(folder)
    (folder / META).unlink(missing_ok=True)
    worst = 0.0
    exemplar_px, large_px, small_px = (
        int(options.get(key, usual))
        for key, usual in (('exemplar_px', 127), ('instance_px', 255), ('small_instance_px', 271))
    )
    with torch.no_grad():
        for name, inputs in _examples(model, 2, exemplar_px, large_px, 3):
            graph = _Graph(model, FUNCTIONS[name], list(inputs)).eval()
            with whole_file(folder / f'{name}.onnx') as temporary:
                _write_graph(graph, inputs, temporary)
        for batch, crop_px, entries in ((1, large_px, 1), (2, small_px, 5), (3, large_px, 7)):
            for name, inputs in _examples(model, batch, exemplar_px, crop_px, entries):
                worst = max(
                    worst,
                    _difference(
                        _session(folder / f'{name}.onnx'), FUNCTIONS[name](model, inputs), inputs
                    ),
                )
    if not worst <= TOLERANCE:
        raise ExportError(
            f'{folder}: ONNX Runtime differs from PyTorch by {worst:.2g}, more than {TOLERANCE:g}'
        )
    grid = {
        'stride': model.grid.stride,
        'feature_offset': model.grid.feature_offset,
        'kernel_cells': model.grid.kernel_cells,
    }
    meta = {
        'usot_plugin': __version__,
        'tracker': dict(options),
        'legacy': model.legacy,
        'has_memory': model.head.memory is not None,
        'grid': grid,
        'crops': 'B,S,S,3 uint8 BGR',
        'largest_difference': worst,
    }
    write_text(folder / META, json.dumps(meta, indent=1) + '\n')
    return worst


def _examples(
    model: USOT, batch: int, exemplar_px: int, crop_px: int, entries: int
) -> Iterator[tuple[str, Named]]:
    """Random input of every graph of a model, in the order that they are run in."""
    generator = torch.Generator().manual_seed(batch)

    def crops(side: int) -> Tensor:
        return torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8, generator=generator)

    box = torch.tensor([[0.28, 0.32, 0.71, 0.66]]) * exemplar_px
    template = {'crops': crops(exemplar_px), 'boxes_xyxy': box.repeat(batch, 1)}
    yield 'template', template
    search = {'crops': crops(crop_px), **_template(model, template)}
    yield 'track', search
    if model.head.memory is None:
        return
    memory = {
        'features': _track(model, search)['features'],
        'boxes_cells': torch.tensor([[-0.5, 8.0, 17.25, 19.0]]).repeat(batch, 1),
    }
    yield 'memory', memory
    codes = {
        name: torch.stack([code] * entries, 1) * torch.rand(entries, 1, 1, 1)
        for name, code in _memory(model, memory).items()
    }
    multiplicity = torch.arange(entries).repeat(batch, 1).flip(1).float() + (entries == 1)
    yield 'track_memory', {**search, **codes, 'multiplicity': multiplicity}


def _write_graph(graph: _Graph, inputs: Named, path: Path) -> None:
    outputs = graph.named(inputs)
    axes = {name: {0: 'batch'} for name in (*inputs, *outputs)}
    for name in axes:
        if name == 'crops' and len(inputs) > 2:
            axes[name].update({1: 'side', 2: 'side'})
        elif name in ('features', 'scores', 'memory_scores') or (
            name == 'boxes_xyxy' and name in outputs
        ):
            axes[name].update({2: 'rows', 3: 'columns'})
        elif name == 'multiplicity' or (name in inputs and name.startswith('memory')):
            axes[name][1] = 'entries'
    with warnings.catch_warnings():
        # Of the tracing exporter itself, and for sizes that are Python numbers on purpose.
        warnings.filterwarnings('ignore', category=DeprecationWarning)
        warnings.filterwarnings('ignore', category=torch.jit.TracerWarning)
        warnings.filterwarnings('ignore', category=UserWarning, module='torch.onnx')
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _difference(session: Any, expected: Named, inputs: Named) -> float:
    found = session.run(list(expected), {name: value.numpy() for name, value in inputs.items()})
    worst = 0.0
    for have, want in zip(found, expected.values(), strict=True):
        worst = max(
            worst, float((np.abs(have - want.numpy()) / np.maximum(1, np.abs(want.numpy()))).max())
        )
    return worst


def _session(path: Path) -> Any:
    onnxruntime = require('onnxruntime', 'a tracker of ONNX graphs')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # ONNX Runtime's own errors have no common class; the cause is named
        raise ExportError(
            f'{path}: cannot be read as a graph ({str(error).splitlines()[0]})'
        ) from error


class OnnxNetwork:
    """Graphs of :func:`export_network` behind :class:`USOTTracker`; see :class:`USOTNetwork`.

    Args:
        folder: The export.

    Raises:
        ExportError: No complete export there.
        MissingPackageError: ONNX Runtime is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        try:
            meta = parse_json((folder / META).read_text(encoding='utf-8'))
            self.legacy = meta['legacy']
            self.has_memory = meta['has_memory']
            self.options = meta['tracker']
            self.grid = CellGrid(**meta['grid'], legacy_axis=self.legacy)
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise ExportError(
                f'{folder}: no complete export (make one with tools/export_onnx.py)'
            ) from error
        names = FUNCTIONS if self.has_memory else ('template', 'track')
        self._sessions = {name: _session(folder / f'{name}.onnx') for name in names}

    def _run(self, graph: str, inputs: Mapping[str, Tensor]) -> Named:
        session = self._sessions[graph]
        names = [output.name for output in session.get_outputs()]
        found = session.run(names, {name: value.numpy() for name, value in inputs.items()})
        return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}

    def encode_template(self, crops: Sequence[np.ndarray], boxes_xyxy: np.ndarray) -> HeadCodes:
        """See :class:`USOTNetwork`."""
        found = self._run(
            'template',
            {
                'crops': torch.from_numpy(np.stack(crops)),
                'boxes_xyxy': torch.from_numpy(boxes_xyxy).float(),
            },
        )
        return HeadCodes(_family(found, 'cls'), _family(found, 'reg'))

    def look(
        self, crops: Sequence[np.ndarray], template: HeadCodes, memories: Memories | None
    ) -> SearchView:
        """See :class:`USOTNetwork`."""
        inputs = {
            'crops': torch.from_numpy(np.stack(crops)),
            **_numbered('cls', template.cls),
            **_numbered('reg', template.reg or []),
        }
        if memories is not None:
            inputs.update(
                _numbered('memory', memories.codes), multiplicity=memories.multiplicity.float()
            )
        found = self._run('track' if memories is None else 'track_memory', inputs)
        return SearchView(
            found['scores'], found.get('memory_scores'), found['boxes_xyxy'], found['features']
        )

    def encode_memory(
        self, features: Tensor, boxes_xyxy: np.ndarray, crop_px: int, margin_cells: float
    ) -> list[Tensor]:
        """See :class:`USOTNetwork`."""
        cells = self.grid.search_box_to_cells(
            torch.from_numpy(boxes_xyxy).to(features), crop_px, margin_cells
        )
        return _family(self._run('memory', {'features': features, 'boxes_cells': cells}), 'memory')
