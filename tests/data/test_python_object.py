"""What a name in the user's own code refers to."""

import sys

import pytest

from nascout.data.python_object import import_object, importable
from nascout.errors import ConfigError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("my_nets", None)


def test_a_name_in_a_file_by_any_path(folder):
    (folder / "net.py").write_text("class A:\n    b = 3")
    assert import_object("net.py:A.b", ConfigError) == 3
    assert import_object(f"{folder}/net.py:A.b", ConfigError) == 3


def test_a_file_hides_no_module_and_is_run_anew_each_time(folder):
    (folder / "json.py").write_text("import json as other\nvalue = object()")
    first = import_object("json.py:value", ConfigError)
    assert import_object("json.py:value", ConfigError) is not first
    assert sys.modules["json"].loads("1") == 1


def test_a_dataclass_in_a_file(folder):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    (folder / "net.py").write_text(text + "@dataclass\nclass A:\n    width: int = 8")
    assert import_object("net.py:A", ConfigError)().width == 8


def test_two_folders_with_neighbours_of_one_name(folder):
    path = list(sys.path)
    for name, width in (("old", 8), ("new", 16)):
        (folder / name / "parts").mkdir(parents=True)
        (folder / name / "layers.py").write_text(f"width = {width}")
        (folder / name / "parts" / "__init__.py").write_text(f"depth = {width + 1}")
        (folder / name / "net.py").write_text(
            "from layers import width\n"
            "def late():\n    import layers, parts\n    return layers.width, parts.depth\n"
        )
    assert import_object("old/net.py:width", ConfigError) == 8
    assert import_object("new/net.py:width", ConfigError) == 16
    for name, width in (("old", 8), ("new", 16)):
        late = import_object(f"{name}/net.py:late", ConfigError)
        with importable(f"{name}/net.py"):
            assert late() == (width, width + 1)
    assert "layers" not in sys.modules and sys.path == path


def test_a_module_of_the_current_folder_is_imported_once(folder):
    (folder / "my_nets.py").write_text("value = object()")
    assert import_object("my_nets:value", ConfigError) is import_object(
        "my_nets:value", ConfigError
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import no_such_module_at_all",
            r"ModuleNotFoundError: No module named 'no_such_module_at_all' \(line 1\)",
        ),
        ("x = 1\n\nx / 0", r"ZeroDivisionError: division by zero \(line 3\)"),
        ("def f(:", "SyntaxError"),
        ("import sys\nsys.exit(3)", r"SystemExit: 3 \(line 2\)"),
        ("open('nowhere')", "FileNotFoundError.*nowhere"),
    ],
)
@pytest.mark.parametrize("place", ["net_that_fails.py", "net_that_fails"])
def test_code_that_fails_is_named(folder, text, message, place):
    (folder / "net_that_fails.py").write_text(text)
    line = message if place.endswith(".py") else message.partition(r" \(")[0]
    with pytest.raises(ConfigError, match=f"cannot import '{place}': .*{line}"):
        import_object(f"{place}:x", ConfigError)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.py:x", "no file nowhere.py"),
        ("no_such_module:x", "cannot import 'no_such_module'"),
        ("math:tau.x", "module 'math' has no 'tau.x'"),
    ],
)
def test_what_is_not_there_is_named(spec, message):
    with pytest.raises(ConfigError, match=message):
        import_object(spec, ConfigError)
