"""From the model of a flag repository to the bytes of one environment's bundle (`docs/bundle-format.md`).

>>> from flagctl.model import Environment, Flag, FlagType, Repository, RepositoryConfig, Variant
>>> config = RepositoryConfig(
...     path="flagctl.yaml", version=1, project="acme", environments={"dev": Environment(name="dev")}
... )
>>> dark = Flag(key="dark", path="dark.yaml", type=FlagType.BOOLEAN, variants=(Variant(name="on", value=True),), default="on")
>>> print(compile_environment(Repository(config=config, flags={"dark": dark}), "dev").data.decode().splitlines()[2])
"dark":{"default":{"serve":0},"type":"boolean","variants":[["on",true]]}
"""

from flagctl.compiler.compile import CompiledBundle, compile_environment

__all__ = ["CompiledBundle", "compile_environment"]
