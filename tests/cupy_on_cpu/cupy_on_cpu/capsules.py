"""Other C functions in the place of those that one compiled module of CuPy takes from another.

Cython's modules offer C functions in capsules, `__pyx_capi__`, which the module that takes them reads once, when it is
loaded. Whatever stands in a capsule at that time is called from then on.
"""

import ctypes
from collections.abc import Callable
from typing import Any

_TYPES: dict[str, Any] = {
    "void": None,
    "int": ctypes.c_int,
    "unsigned int": ctypes.c_uint,
    "size_t": ctypes.c_size_t,
    "intptr_t": ctypes.c_ssize_t,
    "uintmax_t": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "PyObject *": ctypes.py_object,
}
_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_name_of = ctypes.pythonapi.PyCapsule_GetName
_name_of.restype, _name_of.argtypes = ctypes.c_char_p, (ctypes.py_object,)
# The functions and names to which capsules point; they must outlive the capsules.
_kept: list[Any] = []


def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
    """Let compiled modules that are loaded from now on call `function`, and Python too where it sees the name.

    `function` gets the C arguments, numbers and objects, without those that Cython adds. A name that this version of
    CuPy lacks is passed over.
    """
    signature = _signature(module, name)
    if signature is None:
        return
    result, arguments, added = _parsed(signature.decode())

    def call(*values: Any) -> Any:
        return function(*values[: len(values) - added])

    _put(module, name, signature, ctypes.PYFUNCTYPE(result, *arguments)(call))
    if hasattr(module, name):
        setattr(module, name, function)


def point(module: Any, name: str, function: Any) -> None:
    """Let compiled modules that are loaded from now on call a C function of a ctypes.PyDLL, and Python too."""
    signature = _signature(module, name)
    if signature is None:
        return
    _put(module, name, signature, function)
    if not hasattr(module, name):
        return
    result, arguments, _ = _parsed(signature.decode())
    entry = ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, ctypes.c_void_p).value)

    def call(*values: Any) -> Any:
        # Optional arguments that Python leaves out, and Cython's own, are 0.
        return entry(*values, *([0] * (len(arguments) - len(values))))

    setattr(module, name, call)


def _signature(module: Any, name: str) -> bytes | None:
    capsule = module.__pyx_capi__.get(name)
    return None if capsule is None else _name_of(capsule)


def _put(module: Any, name: str, signature: bytes, function: Any) -> None:
    _kept.extend((function, signature))
    module.__pyx_capi__[name] = _new(ctypes.cast(function, ctypes.c_void_p), signature, None)


def _parsed(signature: str) -> tuple[Any, list[Any], int]:
    """Return the ctypes of the result and of the arguments, and how many of these Cython adds."""
    head, _, rest = signature.partition("(")
    parts = [part.strip() for part in rest.rstrip(")").split(",") if part.strip() not in ("", "void")]
    added = sum("__pyx_" in part.rsplit(" ", 1)[-1] for part in parts)
    return _type(head), [_type(part) for part in parts], added


def _type(text: str) -> Any:
    text = text.replace("__pyx_skip_dispatch", "").replace("__pyx_optional_args", "").strip()
    if text in _TYPES:
        return _TYPES[text]
    if text.endswith("*"):
        # A struct is an extension class, whose instances are objects, or optional arguments, which nobody reads here.
        return ctypes.py_object if "__pyx_obj" in text else ctypes.c_void_p
    return ctypes.c_int  # an enumeration
