"""Sizes, documentation, and what must not stand in the source."""

import ast

LONGEST_FILE, LONGEST_FUNCTION = 400, 49


def listed(what, offenders):
    return "\n".join([f"{what}:", *offenders])


def test_files_are_short(modules):
    lengths = {m.path: len(m.text.splitlines()) for m in modules}
    offenders = [f"{path}: {n} lines" for path, n in lengths.items() if n > LONGEST_FILE]
    assert not offenders, listed(f"files of more than {LONGEST_FILE} lines", offenders)


def body_lines(function):
    """Lines of the body, without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short(modules):
    offenders = [
        f"{m.path}:{f.lineno} {f.name}: {body_lines(f)} lines"
        for m in modules
        for f in m.functions()
        if body_lines(f) > LONGEST_FUNCTION
    ]
    assert not offenders, listed(f"bodies of more than {LONGEST_FUNCTION} lines", offenders)


def test_body_lines_counts_what_is_run():
    text = 'def f(a,\n      b):\n    """One\n    two."""\n    x = 1\n\n    return (x,\n        a)\n'
    assert body_lines(ast.parse(text).body[0]) == 4
    assert body_lines(ast.parse('def f():\n    """Only words."""\n').body[0]) == 0


def is_private(module):
    return module.name.rpartition(".")[2].startswith("_")


def defined(module):
    """Functions, classes and variables at the top, by name."""
    found = {}
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            names = [n for target in node.targets for n in ast.walk(target)]
            found |= {n.id: node for n in names if isinstance(n, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            found[node.target.id] = node
    return found


def test_public_modules_say_what_is_public(modules):
    offenders = [
        m.path
        for m in modules
        if not is_private(m)
        and m.names() is None
        and any(not name.startswith("_") for name in defined(m))
    ]
    assert not offenders, listed("modules without __all__", offenders)


def test_what_is_listed_is_there(modules):
    offenders = []
    for m in modules:
        imported = {
            (alias.asname or alias.name)
            for node in ast.walk(m.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        offenders += [
            f"{m.path}: {name}"
            for name in m.names() or ()
            if name not in imported and name not in defined(m)
        ]
    assert not offenders, listed("in __all__ but not in the module", offenders)


def test_public_names_are_documented(modules):
    offenders = [f"{m.path}: the module" for m in modules if not ast.get_docstring(m.tree)]
    for m in modules:
        for name in m.names() or ():
            node = defined(m).get(name)
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not ast.get_docstring(node):
                offenders.append(f"{m.path}:{node.lineno} {name}")
            if isinstance(node, ast.ClassDef):
                offenders += [
                    f"{m.path}:{method.lineno} {name}.{method.name}"
                    for method in node.body
                    if isinstance(method, ast.FunctionDef)
                    and not method.name.startswith("_")
                    and not ast.get_docstring(method)
                    and not is_overload(method)
                ]
    assert not offenders, listed("without a docstring", offenders)


def is_overload(function):
    """Overloads and setters repeat a documented name."""
    names = [ast.unparse(d) for d in function.decorator_list]
    return any(name == "overload" or name.endswith(".setter") for name in names)


def test_no_bare_except(modules):
    offenders = [
        f"{m.path}:{node.lineno}"
        for m in modules
        for node in ast.walk(m.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not offenders, listed("bare except", offenders)


def test_no_grab_bags(modules):
    offenders = [
        m.path
        for m in modules
        if m.name.rpartition(".")[2] in ("utils", "util", "common", "helpers", "helper", "misc")
    ]
    assert not offenders, listed("files without one idea", offenders)


def test_nothing_knows_the_folder_of_shared_files(modules):
    offenders = [m.path for m in modules if "../shared" in m.text or "shared/data" in m.text]
    assert not offenders, listed("mentions the shared folder", offenders)


def test_nothing_is_unpickled(modules):
    """Only the restricted reader may import pickle; torch.load asks for weights only."""
    offenders = []
    for m in modules:
        for node in ast.walk(m.tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if m.name != "nascout.data.restricted_pickle" and {
                "pickle",
                "cloudpickle",
                "dill",
                "joblib",
                "shelve",
            } & {name.split(".")[0] for name in names}:
                offenders.append(f"{m.path}:{node.lineno}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = [ast.unparse(k.value) for k in node.keywords if k.arg == "weights_only"]
                if safe != ["True"]:
                    offenders.append(f"{m.path}:{node.lineno} torch.load")
    assert not offenders, listed("reads pickles", offenders)
