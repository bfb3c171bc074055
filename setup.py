"""The one thing ``pyproject.toml`` cannot say yet: how the C extension is built."""

import os

from setuptools import Extension, setup

# Not the default: a newer compiler's new warning must not stop somebody's installation.
warnings_are_errors = ["-Werror"] if os.environ.get("SIMCLOCK_WERROR") else []

setup(
    ext_modules=[
        Extension(
            "simclock._boundary._native",
            sources=["src/simclock/_boundary/_native.c"],
            # gnu11: pthread_atfork and eventfd are not ISO C. A method's unused arguments and
            # casts between function types are how CPython's method tables work.
            extra_compile_args=[
                "-std=gnu11",
                "-O2",
                "-Wall",
                "-Wextra",
                "-Wno-unused-parameter",
                "-Wno-missing-field-initializers",
                "-Wno-cast-function-type",
                *warnings_are_errors,
            ],
        )
    ]
)
