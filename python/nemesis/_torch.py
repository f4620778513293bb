"""Imports torch before the native module, which is linked to the libtorch that torch loads, and compares versions."""

from pathlib import Path

try:
    import torch
except ImportError as error:
    raise ImportError(f"nemesis needs PyTorch: {error}. Install it with `pip install torch==2.11.0`") from error

#: The version of PyTorch that this package was built for.
TORCH = "2.11.0"

_HELP = f"Install the one that it was built for with `pip install torch=={TORCH}`, or build nemesis again"


def _check() -> None:
    """Refuses another torch before the native module is loaded, which would only say that a symbol is missing."""
    found = torch.__version__.split("+")[0]
    if found != TORCH:
        raise ImportError(f"nemesis was built for PyTorch {TORCH}, but this is PyTorch {torch.__version__}. {_HELP}")


def _connect() -> None:
    """Compares versions with those that the native module says of itself, and lets it find torch."""
    from nemesis import _native

    libtorch, cxx11_abi = _native.built_for()
    found = torch.__version__.split("+")[0]
    if libtorch != found:
        raise ImportError(f"nemesis was built for PyTorch {libtorch}, but this is PyTorch {torch.__version__}. {_HELP}")
    if (cxx11_abi == "1") != torch.compiled_with_cxx11_abi():
        theirs = int(torch.compiled_with_cxx11_abi())
        raise ImportError(
            f"nemesis was built with _GLIBCXX_USE_CXX11_ABI={cxx11_abi}, but this PyTorch {torch.__version__} has "
            f"{theirs}. {_HELP}"
        )
    library = Path(torch.__file__).parent / "lib" / "libtorch_python.so"
    _native.find_torch(library.with_suffix(".so" if library.exists() else ".dylib"), torch.Tensor)


_check()
_connect()
