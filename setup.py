"""The two things about the build that need code; everything else is in pyproject.toml.

The top-level folder kernels/ is installed as lowbit.kernels, and the list of packages is computed from both
trees, so that a new folder cannot be forgotten. The link lowbit/kernels serves static tools only: it is
excluded here and the build is the same without it.
"""

from setuptools import find_packages, setup

own = find_packages(include=["lowbit", "lowbit.*"], exclude=["lowbit.kernels", "lowbit.kernels.*"])
kernels = [f"lowbit.{name}" for name in find_packages(include=["kernels", "kernels.*"])]

setup(packages=sorted(own + kernels), package_dir={"lowbit.kernels": "kernels"})
