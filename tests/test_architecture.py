"""The package's modules import one another in one direction only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cnnbook"

# Upstream first: a module may import those named beside it, and nothing downstream.
MAY_IMPORT = {
    "__init__": set(),
    "checks": set(),
    "tensorflow_start": set(),
    # Pictures and their labels.
    "images": set(),
    "repository": set(),
    "archives": set(),
    "downloads": {"archives", "repository"},
    "pet_brush": set(),
    "pet_coats": {"pet_brush"},
    "pet_faces": {"pet_brush", "pet_coats"},
    "pet_scenes": {"pet_brush"},
    "drawing": {"pet_brush", "pet_coats", "pet_faces", "pet_scenes"},
    "folders": set(),
    "decoding": {"downloads", "images"},
    "source_code": set(),
    "build_folder": {"repository", "source_code"},
    "data": {
        "build_folder",
        "decoding",
        "downloads",
        "drawing",
        "folders",
        "repository",
    },
    # Networks.
    "windows": {"checks"},
    "activation_functions": set(),
    "layers": {"activation_functions", "windows"},
    "classifier": {"images"},
    "augmentation": set(),
    "scores": set(),
    "calibration": {"checks", "scores"},
    "batches": {"augmentation", "scores"},
    "checkpoints": set(),
    "distribution": set(),
    "training": {"batches", "checkpoints", "checks", "classifier", "distribution"},
    "network_files": {"classifier"},
    "model": {
        "build_folder",
        "classifier",
        "data",
        "network_files",
        "scores",
        "training",
    },
    "outputs": set(),
    "train_command": {
        "checkpoints",
        "data",
        "distribution",
        "model",
        "network_files",
        "outputs",
    },
    "vgg_weights": {"downloads", "repository"},
    "vgg": {"images", "vgg_weights"},
    # What networks compute.
    "networks": {"images"},
    "export": {"networks"},
    "imagenet": {"downloads", "networks", "repository", "vgg_weights"},
    "ablation": {"checks", "networks"},
    "axes": set(),
    "receptive_fields": {"axes", "networks"},
    "tracing": {"checks", "networks", "receptive_fields"},
    "activations": {"checks", "networks", "receptive_fields", "tracing"},
    "snapshots": {"activations", "checks", "networks", "receptive_fields", "scoring"},
    "matching": {"receptive_fields"},
    "descriptions": {"activations", "build_folder", "downloads"},
    "transfer": {"descriptions", "scores"},
    "readouts": {"checks", "activations", "receptive_fields"},
    "measures": {"checks", "activations", "networks"},
    "claims": set(),
    "votes": {"activations", "checks", "classifier"},
    "publishing": set(),
    "records": {"build_folder"},
    "seeds": {
        "calibration",
        "data",
        "downloads",
        "model",
        "network_files",
        "records",
        "scores",
    },
    "held_out": {"data"},
    "ingredients": {
        "build_folder",
        "checkpoints",
        "classifier",
        "data",
        "held_out",
        "model",
        "records",
        "scores",
        "training",
    },
    "transfer_trials": {
        "build_folder",
        "checkpoints",
        "data",
        "model",
        "records",
        "scores",
        "descriptions",
        "transfer",
        "vgg",
    },
    "cheating": {"build_folder", "data", "drawing", "model", "scores"},
    "depth": {
        "build_folder",
        "checkpoints",
        "classifier",
        "data",
        "held_out",
        "model",
        "records",
        "scores",
        "training",
    },
    # Which parts of an image a class score depends on, and whether that is true.
    "heads": {"networks"},
    "scoring": {"checks", "heads", "networks"},
    "explanation": set(),
    "gradients": {"checks", "networks", "scoring"},
    "gradient_maps": {"checks", "explanation", "gradients", "heads", "scoring"},
    "class_maps": {
        "checks",
        "explanation",
        "gradients",
        "heads",
        "networks",
        "scoring",
    },
    "partial_runs": {"networks", "scoring", "windows"},
    "occlusion": {
        "checks",
        "explanation",
        "heads",
        "partial_runs",
        "scoring",
        "windows",
    },
    "superpixels": {"checks", "explanation", "heads", "scoring"},
    "truth": {"checks"},
    "controls": {"checks", "heads", "scoring"},
    "evaluation": {"controls", "explanation", "heads", "truth"},
    "explanations": {
        "class_maps",
        "evaluation",
        "explanation",
        "gradient_maps",
        "occlusion",
        "scoring",
        "superpixels",
        "truth",
    },
    "trust": {
        "data",
        "evaluation",
        "explanations",
        "model",
        "records",
        "scores",
        "truth",
    },
    "channels": {"checks", "activations", "images", "networks", "receptive_fields"},
    "patterns": {"checks", "networks", "receptive_fields"},
    # What people see: drawings of arrays, which run no model.
    "drawable": set(),
    "figures": {"checks", "drawable"},
    "charts": {"checks", "drawable", "figures"},
    "diagrams": {"checks", "drawable", "figures"},
    "overlays": {"checks", "drawable", "figures"},
    "portraits": {"drawable", "figures"},
    "scorecards": {"charts", "drawable", "figures"},
    # What people play with: arrays and scripts, which run no model in Python.
    "embedding": set(),
    "widgets": {"embedding", "figures", "images", "layers"},
    # The same with whole networks: what a page cannot compute is computed here.
    "chains": {"activations", "layers", "receptive_fields"},
    "network_widgets": {
        "activations",
        "chains",
        "charts",
        "embedding",
        "export",
        "figures",
        "heads",
        "images",
        "measures",
        "network_files",
        "networks",
        "occlusion",
        "scoring",
        "snapshots",
        "widgets",
    },
}
MAY_IMPORT |= {
    "look_commands": {
        "activations",
        "downloads",
        "explanations",
        "export",
        "figures",
        "images",
        "network_files",
        "networks",
        "outputs",
        "overlays",
        "scoring",
    }
}
MAY_IMPORT |= {
    "info_command": {
        "build_folder",
        "data",
        "downloads",
        "network_files",
        "repository",
        "vgg_weights",
    }
}
EVERYTHING = set(MAY_IMPORT)
MAY_IMPORT |= {"cli": EVERYTHING, "__main__": {"cli"}}

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
HEAVY = {"keras", "tensorflow"}


def imports_of(module):
    """Find every import in a module: {(imported name, is at the top level)}."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf8"))
    found = set()
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found |= {(alias.name, top) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "cnnbook":
            found |= {(f"cnnbook.{alias.name}", top) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module, top))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_modules_upstream_of_it(module):
    assert module in MAY_IMPORT, f"decide where {module} stands, and add it above"
    imported = {
        name.split(".")[1] for name, _ in imports_of(module) if name[:8] == "cnnbook."
    } - {"__version__"}
    assert imported <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", MODULES)
def test_tensorflow_and_keras_are_imported_only_where_they_are_needed(module):
    at_the_top = {name.split(".")[0] for name, top in imports_of(module) if top}
    assert not at_the_top & HEAVY


@pytest.mark.parametrize(
    "module",
    [
        "figures",
        "charts",
        "diagrams",
        "overlays",
        "portraits",
        "scorecards",
        "embedding",
        "widgets",
    ],
)
def test_drawing_runs_no_model(module):
    assert not {name.split(".")[0] for name, _ in imports_of(module)} & HEAVY


def test_every_module_in_the_table_exists():
    assert set(MODULES) == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_holds_one_idea(module):
    """Four hundred lines is where one idea has become two."""
    assert len((PACKAGE / f"{module}.py").read_text().splitlines()) <= 400
