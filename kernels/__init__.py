"""Array kernels, installed as `lowbit.kernels`: `cpu` holds the numba ones.

The folder lies at the top of the repository but is not the import package `kernels`, a name that belongs to
another distribution; with the repository root on `sys.path` it would hide that package, hence the guard.
"""

if __name__ != "lowbit.kernels":
    raise ImportError(
        f"this folder is the package lowbit.kernels and was imported as {__name__!r}; use `import lowbit.kernels`. "
        "If you meant the separate distribution `kernels`, keep lowbit's repository root off sys.path: "
        "run `python -P` or set PYTHONSAFEPATH=1"
    )
