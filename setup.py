"""The packages of the wheel: `zoo`, and the folder `configs/` as `zoo.configs`; all else is in setup.cfg.

In code because setup.cfg can find packages or list them, and cannot add one from another folder.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["zoo", "zoo.*"]), "zoo.configs", "zoo.configs.presets"],
    package_dir={"zoo.configs": "configs"},
    package_data={"zoo": ["py.typed"], "zoo.configs": ["*.yaml"], "zoo.configs.presets": ["*.yaml"]},
)
