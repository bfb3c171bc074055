"""List what is public: each name of each public module, with its signature.

``python -m tools.api`` prints the list, ``--write`` puts it into ``docs/reference/api.txt``, and
``--check`` says how that differs. The list is the same on each supported Python: so the defaults
that a signature has are shown only if they look the same everywhere, and of what a class inherits
only what is simclock's.

A module is public if no part of its name begins with an underscore and it has ``__all__``.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import enum
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import types
import typing
from pathlib import Path

import simclock

LISTING = Path(__file__).parents[1] / "docs" / "reference" / "api.txt"
# All that this one defines: plugins implement it, they do not import from it.
WITHOUT_ALL = "simclock.hookspecs"
# Members that are worth a line; of special methods those by which one uses an object.
MEMBERS = re.compile(
    "__(a?enter|a?exit|a?iter|a?next|await|bool|call|contains|getitem|init|len)__|[^_].*"
)
# The same wherever it is shown.
PLAIN = (bool, int, float, str, bytes, type(None))


def public_modules():
    """Return the public modules, by name."""
    found = [each.name for each in pkgutil.walk_packages(simclock.__path__, "simclock.")]
    names = [name for name in found if "._" not in name]
    return {
        module.__name__: module
        for module in map(importlib.import_module, ["simclock", *names])
        if hasattr(module, "__all__") or module.__name__ == WITHOUT_ALL
    }


def listing():
    """Return the list, as text."""
    modules = public_modules()
    blocks = []
    for name, module in sorted(modules.items()):
        lines = [line for each in names_of(module) for line in entry(module, each, modules)]
        blocks.append("\n".join([name, *(f"    {line}" for line in lines)]))
    return "\n\n".join(blocks) + "\n"


def names_of(module):
    """Return the public names of *module*, sorted."""
    if module.__name__ != WITHOUT_ALL:
        return sorted(module.__all__)
    tree = ast.parse(inspect.getsource(module))
    return sorted(name for node in tree.body for name in _defined(node) if name[0] != "_")


def _defined(node):
    names = [getattr(node, "name", "")]
    names += [getattr(target, "id", "") for target in getattr(node, "targets", [])]
    names += [getattr(getattr(node, "target", None), "id", "")]
    return [name for name in names if name]


def entry(module, name, modules):
    """Return the lines about a name of *module*."""
    value = getattr(module, name)
    home = getattr(value, "__module__", None)
    if home != module.__name__ and home in modules and hasattr(modules[home], name):
        return [f"{name} = {home}.{name}"]
    if typing.get_origin(value):
        return [f"{name} (type alias)"]
    if inspect.isclass(value):
        return class_lines(name, value)
    if inspect.isroutine(value):
        return [function_line(name, value)]
    return [f"{name}: {_annotation(module, name) or type(value).__name__}"]


def _annotation(module, name):
    return getattr(module, "__annotations__", {}).get(name)


# ------------------------------------------------------------------------ classes


def class_lines(name, cls):
    """Return the lines about a class: its head, and what is simclock's of its members."""
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    bases = "NamedTuple" if hasattr(cls, "_fields") else bases
    head = f"class {name}({bases})" if bases else f"class {name}"
    members = {}
    for each in reversed(cls.__mro__):
        if each.__module__.partition(".")[0] == "simclock":
            members.update(_members(each))
    lines = [line for key, line in sorted(members.items()) if line is not None]
    return [head, *(f"    {line}" for line in lines)]


def _members(cls):
    found = {name: f"{name}: {type_}" for name, type_ in _attributes(cls).items()}
    for name, value in vars(cls).items():
        if MEMBERS.fullmatch(name):
            found[name] = _member(name, value, found)
    if hasattr(cls, "_fields"):  # a NamedTuple
        found["__init__"] = _fields(cls)
    if getattr(cls, "_is_protocol", False):
        found["__init__"] = None  # what is there is not the same on each Python
    return found


def _attributes(cls):
    """Return what attributes *cls* says to have, in annotations and in its docstring."""
    section = re.search(
        r"^Attributes:\n((?:    .*\n|\n)*)", f"{inspect.getdoc(cls)}\n", re.MULTILINE
    )
    named = re.findall(r"^    (\w+(?:, \w+)*):", section[1], re.MULTILINE) if section else []
    kinds = _kinds(cls) if named else {}
    found = {name: kinds.get(name, "...") for names in named for name in names.split(", ")}
    for name, kind in vars(cls).get("__annotations__", {}).items():
        if name[0] != "_":
            found[name] = _text(kind)
    return found


def _kinds(cls):
    """Return the types of what the methods of *cls* assign to attributes, where they say so."""
    found = {}
    for method in ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body:
        nodes = list(ast.walk(method))
        given = {
            node.arg: ast.unparse(node.annotation)
            for node in nodes
            if isinstance(node, ast.arg) and node.annotation
        }
        for node in nodes:
            if isinstance(node, ast.AnnAssign):
                found.setdefault(ast.unparse(node.target), ast.unparse(node.annotation))
            elif isinstance(node, ast.Assign) and ast.unparse(node.value) in given:
                found.setdefault(ast.unparse(node.targets[0]), given[ast.unparse(node.value)])
    return {name.removeprefix("self."): kind for name, kind in found.items()}


def _member(name, value, found):
    if isinstance(value, property):
        return f"{name}: {_returned(value.fget)} (property)"
    if isinstance(value, (staticmethod, classmethod)):
        kind = type(value).__name__
        return f"@{kind} {function_line(name, value.__func__)}"
    if inspect.isfunction(value):
        return function_line(name, value)
    if isinstance(value, enum.Enum):
        return f"{name} (member)"
    return found.get(name) or f"{name}: {type(value).__name__}"


def _returned(function):
    return _text(inspect.signature(function).return_annotation)


def _fields(cls):
    kinds = {name: _text(kind) for name, kind in cls.__annotations__.items()}
    texts = []
    for name in cls._fields:
        text = f"{name}: {kinds[name]}"
        if name in cls._field_defaults:
            text += f" = {_default(cls._field_defaults[name])}"
        texts.append(text)
    return f"def __init__({', '.join(['self', *texts])})"


# ---------------------------------------------------------------------- functions


def function_line(name, function):
    """Return the line about a function."""
    # Not inspect.iscoroutinefunction: from 3.12 on, objects may say that they are one.
    is_async = getattr(getattr(function, "__code__", None), "co_flags", 0) & inspect.CO_COROUTINE
    kind = "async def" if is_async else "def"
    return f"{kind} {name}{_signature(function)}"


def _signature(function):
    if isinstance(function, types.BuiltinFunctionType):
        return "(...)"  # which of them tell their signature is not the same on each Python
    signature = inspect.signature(function)
    shown = [
        each.replace(
            annotation=each.empty if each.annotation is each.empty else _Shown(each.annotation),
            default=each.empty if each.default is each.empty else _Shown(_default(each.default)),
        )
        for each in signature.parameters.values()
    ]
    returned = signature.return_annotation
    returned = returned if returned is signature.empty else _Shown(returned)
    return str(signature.replace(parameters=shown, return_annotation=returned))


class _Shown:
    """What a signature shows as it is."""

    def __init__(self, what):
        self._text = _text(what)

    def __repr__(self):
        return self._text


def _default(value):
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, PLAIN) or (isinstance(value, tuple) and not value):
        return repr(value)
    return getattr(value, "__qualname__", "...")


def _text(annotation):
    """Return an annotation as it was written."""
    if isinstance(annotation, str):
        return annotation
    written = getattr(annotation, "__forward_arg__", None)  # of a NamedTuple
    return written or inspect.formatannotation(annotation)


# ------------------------------------------------------------------------ command


def differences():
    """Return how the file differs from what there is, in lines."""
    committed = LISTING.read_text(encoding="utf-8") if LISTING.exists() else ""
    return list(
        difflib.unified_diff(
            committed.splitlines(),
            listing().splitlines(),
            "docs/reference/api.txt",
            "what there is",
            lineterm="",
        )
    )


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="./dev api", description=__doc__.partition("\n")[0])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--write", action="store_true", help="write docs/reference/api.txt")
    chosen.add_argument("--check", action="store_true", help="say how that file differs")
    arguments = parser.parse_args()
    if arguments.write:
        LISTING.write_text(listing(), encoding="utf-8")
    elif not arguments.check:
        print(listing(), end="")
    elif found := differences():
        print("\n".join(found))
        sys.exit("the public API is not what docs/reference/api.txt says\nrun ./dev api --write")


if __name__ == "__main__":
    main()
