"""Modules, classes and functions: signatures and docstrings, as Markdown."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil

import simclock
import simclock.systems
from tools.reference.docstrings import markdown

WIDTH = 100
OURS = ("simclock", "pytest_simclock")


def public_modules():
    """Return the modules that say by ``__all__`` what is for users: ours, and the systems'."""
    inner = [
        importlib.import_module(info.name)
        for package in (simclock, simclock.systems)
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        if not info.name.rpartition(".")[2].startswith("_")
    ]
    return sorted(
        (module for module in [simclock, *inner] if hasattr(module, "__all__")),
        key=lambda module: ("systems" in module.__name__, module.__name__),
    )


def pages():
    """Return the page of each public module, by the name of its file."""
    return {f"{module.__name__}.md": page(module) for module in public_modules()}


def page(module):
    """Return the page of *module*: each name of its ``__all__``, in that order."""
    parts = [f"# `{module.__name__}`", markdown(module)]
    for name in module.__all__:
        parts += described(name, getattr(module, name))
    return "\n\n".join(filter(None, parts)) + "\n"


def described(name, thing):
    """Yield the heading, the signature, the docstring and the members of *thing*."""
    yield f"## `{name}`"
    # An alias of types is a class for Python 3.10.
    if inspect.isclass(thing) and not hasattr(thing, "__origin__"):
        yield from _class(name, thing)
    elif callable(thing) and hasattr(thing, "__code__"):
        yield code(signature(name, thing))
        yield markdown(thing)
    else:
        yield _value(name, thing)


def _class(name, kind):
    if issubclass(kind, enum.Enum):
        yield code(f"class {name}")
        yield markdown(kind)
        yield "\n".join(f"- `{each.name}` = `{each.value!r}`" for each in kind)
        return
    yield code(signature(f"class {name}", kind) if _made_by_us(kind) else f"class {name}")
    yield bases(kind)
    yield markdown(kind)
    for member, value in sorted(members(kind).items()):
        yield f"### `{name}.{member}`"
        yield from _member(member, value)


def bases(kind):
    """Return what *kind* is a subclass of, in words."""
    found = [f"`{base.__name__}`" for base in kind.__bases__ if base is not object]
    return f"Bases: {', '.join(found)}." if found else ""


def _made_by_us(kind):
    makers = (getattr(kind, maker, None) for maker in ("__init__", "__new__"))
    return any((getattr(each, "__module__", "") or "").startswith(OURS) for each in makers) or (
        hasattr(kind, "__dataclass_fields__") or hasattr(kind, "_fields")
    )


def members(kind):
    """Return the public methods and properties of *kind* that are ours, by name."""
    found = {
        name: value
        for owner in reversed(kind.__mro__)
        if owner.__module__.startswith(OURS)
        for name, value in vars(owner).items()
        if not name.startswith("_") and _function(value) is not None
    }
    # An override without words of its own says what it overrides.
    return {name: value for name, value in found.items() if inspect.getdoc(getattr(kind, name))}


def _function(value):
    if isinstance(value, (staticmethod, classmethod)):
        return value.__func__
    if isinstance(value, property):
        return value.fget
    wrapped = getattr(value, "func", value)
    return wrapped if inspect.isfunction(wrapped) else None


def _member(name, value):
    function = _function(value)
    if isinstance(value, property) or hasattr(value, "func"):
        returned = function.__annotations__.get("return", "")
        yield code(f"{name}: {returned}" if returned else name)
    else:
        yield code(signature(name, function, bound=not isinstance(value, staticmethod)))
    yield markdown(function)


def _value(name, value):
    kind = type(value)
    if kind.__module__ == "builtins" or hasattr(value, "__origin__"):
        return code(f"{name} = {value!r}")
    return f"A `{kind.__module__}.{kind.__name__}`."


def code(text):
    """Return a block of code that shows a signature: no example, which tests would run."""
    return f"```py\n{text}\n```"


def signature(name, thing, *, bound=False):
    """Return the call of *thing* as one would write its definition."""
    function = thing
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        name = f"async {name}"
    found = inspect.signature(function)
    arguments = list(found.parameters.values())[1 if bound else 0 :]
    shown = [*_arguments(arguments)]
    returned = _annotation(found.return_annotation)
    end = f" -> {returned}" if returned and not inspect.isclass(thing) else ""
    line = f"{name}({', '.join(shown)}){end}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in shown), f"){end}"])


def _arguments(parameters):
    star = False
    positional = any(each.kind is each.POSITIONAL_ONLY for each in parameters)
    for each in parameters:
        if positional and each.kind is not each.POSITIONAL_ONLY:
            positional = False
            yield "/"
        if each.kind is each.KEYWORD_ONLY and not star:
            star = True
            yield "*"
        star = star or each.kind is each.VAR_POSITIONAL
        yield _argument(each)
    if positional:
        yield "/"


def _argument(parameter):
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = stars + parameter.name
    annotation = _annotation(parameter.annotation)
    if annotation:
        text += f": {annotation}"
    if parameter.default is not parameter.empty:
        text += f"{' = ' if annotation else '='}{_default(parameter.default)}"
    return text


def _annotation(annotation):
    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(value):
    """Return *value* as the source would say it, the same in each process."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if type(value) is tuple:
        inner = ", ".join(map(_default, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    text = repr(value)
    return getattr(value, "__name__", "...") if text.startswith("<") else text
