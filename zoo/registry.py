"""One registry for every kind of interchangeable part.

A registry maps a name to an `Entry`: the class, its config class, a tiny smoke config for the contract
tests, a citation and the place where it was written. Entries register themselves when their file is
imported; the files are found by scanning the registry's folder and the installed entry points, once,
at the first lookup. Importing `zoo` therefore stays cheap, and a new part is one new file.

A lookup imports nothing else: configs, checkpoints and records may name ``module:Class``, and what comes with
data must not choose the code that runs. Such a module is imported where its user names it: see `load_plugin`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from zoo.errors import UserError

T = TypeVar("T")
C = TypeVar("C", bound=type)


class RegistryError(UserError, LookupError):
    """A name that cannot be resolved, or a part that may not be registered.

    >>> import zoo
    >>> zoo.ENCODERS.get("attention_cn")
    Traceback (most recent call last):
    zoo.registry.RegistryError: unknown encoder 'attention_cn'. Did you mean 'attention_cnn', ...
    """


class EntryConfig(BaseModel):
    """Base of every part's config: frozen; an unknown key is an error, and so is a number that is none.

    >>> import zoo
    >>> class PooledConfig(zoo.EntryConfig):
    ...     latent_dim: int = 64
    >>> PooledConfig(latent_dim="32")
    PooledConfig(latent_dim=32)
    >>> PooledConfig(latent=32)
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: ...
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[T]):
    """What a registry knows about one part.

    >>> import zoo
    >>> entry = zoo.ENCODERS.get("cnn")
    >>> entry.kind, entry.name, dict(entry.tags)
    ('encoder', 'cnn', {'latent': 'gaussian'})
    >>> entry.cls(entry.smoke_config(), in_channels=3, image_size=(32, 32)).latent_dim
    8
    """

    kind: str
    name: str
    cls: type[T]
    config: type[EntryConfig]
    smoke: Mapping[str, Any]
    summary: str
    cite: str
    tags: Mapping[str, str]
    origin: str

    def smoke_config(self) -> EntryConfig:
        """The smallest config that still exercises every branch of the part."""
        return self.config.model_validate(dict(self.smoke))


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def did_you_mean(name: str, known: list[str]) -> str:
    """' Did you mean ...?' with the nearest known names, or an empty string."""
    folded = {_fold(k): k for k in known}
    near = difflib.get_close_matches(_fold(name), list(folded), n=3, cutoff=0.55)
    if not near:
        return ""
    quoted = [f"'{folded[n]}'" for n in near]
    last = f"{', '.join(quoted[:-1])} or {quoted[-1]}" if len(quoted) > 1 else quoted[0]
    return f" Did you mean {last}?"


@dataclass
class Registry(Generic[T]):
    """Named parts of one kind.

    Args:
        kind: what one entry is called in messages, e.g. ``"encoder"``.
        base: class that every entry must inherit from.
        package: package whose files are imported at the first lookup.
        group: entry-point group through which other distributions add entries; None for no group.
        renamed: declarations of the class that have another name now, old to new. One left under its old name
            would be ignored, so it is refused.

    >>> import zoo
    >>> "cnn" in zoo.ENCODERS, zoo.ENCODERS.names("*attention_cnn", latent="gaussian")
    (True, ['attention_cnn', 'linear_attention_cnn', 'window_attention_cnn'])
    """

    kind: str
    base: type[T]
    package: str
    group: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict, repr=False)
    _entries: dict[str, Entry[T]] = field(default_factory=dict, repr=False)
    _broken: dict[str, BaseException] = field(default_factory=dict, repr=False)
    _discovered: bool = field(default=False, repr=False)

    def register(
        self,
        name: str,
        *,
        config: type[EntryConfig],
        smoke: Mapping[str, Any] | None = None,
        cite: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Callable[[C], C]:
        """Class decorator that adds an entry.

        Raises:
            RegistryError: when the class has a wrong base, no docstring or a declaration under a former name,
                when its config is not an `EntryConfig`, or when the name is taken (the message gives the
                first owner's place).
        """

        def add(cls: C) -> C:
            origin = _origin(cls)
            fits = inspect.isclass(cls) and issubclass(cls, self.base)
            if not fits:
                raise RegistryError(
                    f"{self.kind} '{name}' at {origin} must inherit from {self.base.__name__}"
                )
            if not cls.__dict__.get("__doc__") and sys.flags.optimize < 2:  # -OO leaves out all of them
                raise RegistryError(f"{self.kind} '{name}' at {origin} needs a docstring")
            for old in self.renamed.keys() & vars(cls).keys():
                raise RegistryError(
                    f"{self.kind} '{name}' at {origin} declares '{old}', which is called "
                    f"'{self.renamed[old]}' now; rename it"
                )
            if not (inspect.isclass(config) and issubclass(config, EntryConfig)):
                raise RegistryError(
                    f"config of {self.kind} '{name}' at {origin} must inherit from EntryConfig"
                )
            if name in self._entries and self._entries[name].origin != origin:
                raise RegistryError(
                    f"{self.kind} '{name}' at {origin} is already registered at "
                    f"{self._entries[name].origin}; choose another name"
                )
            summary = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\n")[0]
            self._entries[name] = Entry(
                kind=self.kind,
                name=name,
                cls=cast(type[T], cls),
                config=config,
                smoke=dict(smoke or {}),
                summary=summary,
                cite=cite,
                tags=dict(tags or {}),
                origin=origin,
            )
            return cls

        return add

    def get(self, name: str) -> Entry[T]:
        """The entry called `name`, or the class at ``module:Class`` of a module that is imported already.

        Raises:
            RegistryError: the name is unknown (with the nearest ones), its plugin failed to import, or its
                module was not imported by anybody.
        """
        if ":" in name:
            return self._get_by_path(name)
        self._discover()
        if name in self._entries:
            return self._entries[name]
        if name in self._broken:
            error = self._broken[name]
            raise RegistryError(
                f"{self.kind} '{name}' comes from a plugin that failed to import: "
                f"{type(error).__name__}: {error}"
            ) from error
        raise RegistryError(
            f"unknown {self.kind} '{name}'.{did_you_mean(name, self.names())} "
            f"Known: {', '.join(self.names())}"
        )

    def names(self, pattern: str = "*", **tags: str) -> list[str]:
        """Sorted names that match a shell pattern and carry all the given tags."""
        self._discover()
        return sorted(
            e.name
            for e in self._entries.values()
            if fnmatchcase(e.name, pattern) and all(e.tags.get(k) == v for k, v in tags.items())
        )

    def broken(self) -> dict[str, BaseException]:
        """Entry points that failed to import, with what they raised."""
        self._discover()
        return dict(self._broken)

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter([self._entries[n] for n in self.names()])

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def _get_by_path(self, path: str) -> Entry[T]:
        self._discover()
        module_name, _, class_name = path.partition(":")
        module = sys.modules.get(module_name)
        if module is None:
            raise RegistryError(
                f"{self.kind} '{path}': its module is not imported. Code is imported only when you name it "
                f"yourself: if you trust it, add --plugin {module_name or 'MODULE'}; in Python, import it"
            )
        cls = vars(module).get(class_name)  # not getattr: a module's own __getattr__ may import more
        for entry in self._entries.values():
            if entry.cls is cls:
                return entry
        raise RegistryError(
            f"{self.kind} '{path}': {module_name} registers no {self.kind} class '{class_name}'"
        )

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True  # before the imports: the files import this registry
        try:
            package = importlib.import_module(self.package)
            for info in pkgutil.iter_modules(package.__path__):
                if not info.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{info.name}")
        except BaseException:
            self._discovered = False
            raise
        if self.group is None:
            return
        for point in entry_points(group=self.group):
            try:
                point.load()
            except Exception as error:  # somebody else's package: reported when asked for, never fatal
                self._broken[point.name] = error


def load_plugin(module: str) -> None:
    """Import a module for its registrations. To be given what users name on their own command line, only.

    Raises:
        RegistryError: the module cannot be imported; says why.
    """
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:  # somebody else's module may fail in any way
        raise RegistryError(f"plugin '{module}' failed to import: {type(error).__name__}: {error}") from error


def _origin(cls: type) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return f"{cls.__module__}:{cls.__qualname__}"
