"""What there is to know of a model or a part: `describe` gives it typed, `list_models` finds by it.

What a listing says of a model beside its YAML, its parameters above all, needs the model to be built. It is
kept in the user's cache, under a digest of the YAML, of the code of `zoo` and of the versions of torch and
timm, so that what is shown is right whatever was edited, and a second listing needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from inspect import cleandoc
from typing import Any

from zoo import config as configs
from zoo.config import ModelConfig, load_config
from zoo.parts import registries
from zoo.registry import Entry, RegistryError, did_you_mean, load_plugin
from zoo.system.fact_cache import FactCache


@dataclass(frozen=True)
class ModelFacts:
    """A model in one row of a listing.

    Attributes:
        name: as in `list_models`.
        title: as it is printed.
        summary: one sentence.
        citation: arXiv id, DOI, URL or report.
        licence: of this implementation.
        encoder: name of its encoder.
        decoder: name of its decoder.
        representation: what its decoder makes: 'voxels', 'points', 'mesh' or one of a plugin.
        supervision: fields of `zoo.Batch` that its training needs besides the picture.
        parameters: of every part, the discriminator apart.

    >>> import zoo
    >>> facts = zoo.describe("vae_gan_baseline")
    >>> facts.encoder, facts.decoder, facts.representation, sorted(facts.supervision)
    ('cnn', 'voxel_deconv', 'voxels', ['voxels'])
    """

    name: str
    title: str
    summary: str
    citation: str
    licence: str
    encoder: str
    decoder: str
    representation: str
    supervision: tuple[str, ...]
    parameters: int


@dataclass(frozen=True)
class ModelCard(ModelFacts):
    """All that there is to know of a model.

    Attributes:
        follows: the source that it follows.
        departs: where it departs from that source, and why.
        parts: parameters of each of its parts, by kind, the discriminator apart.
        config: its resolved config.

    >>> import zoo
    >>> card = zoo.describe("r3d")
    >>> isinstance(card, zoo.ModelFacts), sorted(card.parts)
    (True, ['decoder', 'encoder'])
    """

    follows: str
    departs: tuple[str, ...]
    parts: Mapping[str, int]
    config: ModelConfig


@dataclass(frozen=True)
class FieldCard:
    """A key of a part's config.

    Attributes:
        type: its annotation.
        default: its default; pydantic's undefined where it must be given.
        help: what it does.
    """

    type: str
    default: Any
    help: str


@dataclass(frozen=True)
class PartCard:
    """All that there is to know of a part.

    Attributes:
        kind: 'encoder', 'decoder', 'loss' and so on; see `zoo.parts.KINDS`.
        name: in its registry.
        summary: the first line of its description.
        description: the docstring of its class.
        citation: arXiv id, DOI, URL or report.
        tags: what `Registry.names` can filter by.
        origin: file and line of its class.
        fields: the keys of its config, by name.

    >>> import zoo
    >>> card = zoo.describe("attention_cnn")
    >>> card.kind, dict(card.tags), "latent_dim" in card.fields
    ('encoder', {'latent': 'gaussian'}, True)
    """

    kind: str
    name: str
    summary: str
    description: str
    citation: str
    tags: Mapping[str, str]
    origin: str
    fields: Mapping[str, FieldCard]


def list_models(
    pattern: str = "*",
    *,
    exclude: str | Collection[str] = (),
    encoder: str = "*",
    decoder: str = "*",
    representation: str = "*",
    supervision: Collection[str] | None = None,
) -> list[str]:
    """Sorted names of the models of the zoo that fit.

    Args:
        pattern: of the name, as of a shell; so are `encoder`, `decoder` and `representation`.
        exclude: one or several patterns of names that are left out.
        supervision: fields of `zoo.Batch` that there are to learn from: models that need no other.

    Example:
        >>> import zoo
        >>> zoo.list_models("vae*", exclude="*_literal")
        ['vae_gan_3d', 'vae_gan_baseline']
        >>> zoo.list_models("atlas*", representation="mesh", supervision={"points"})
        ['atlasnet', 'atlasnet_sphere', 'atlasnet_v2']
    """
    left_out = [exclude] if isinstance(exclude, str) else exclude
    names = [
        name
        for name in configs.list_models(pattern)
        if not any(fnmatchcase(name, other) for other in left_out)
    ]
    wanted = {"encoder": encoder, "decoder": decoder, "representation": representation}
    if supervision is None and set(wanted.values()) == {"*"}:
        return names
    return [
        facts.name
        for facts in model_facts(names)
        if all(fnmatchcase(getattr(facts, key), value) for key, value in wanted.items())
        and (supervision is None or set(facts.supervision) <= set(supervision))
    ]


def describe(name: str, *, preset: str | None = None) -> ModelCard | PartCard:
    """The card of a model or a part: what ``python -m zoo show`` prints.

    Args:
        name: of a model or a part, the path of a YAML, or ``module:Class``.
        preset: the model as this preset trains it.

    Raises:
        RegistryError: neither a model nor a part; names the nearest of all.

    Example:
        >>> import zoo
        >>> card = zoo.describe("r3d")
        >>> card.title, card.representation, f"{card.parameters:,}"
        ('R3D', 'voxels', '11,959,593')
        >>> zoo.describe("voxel_deconv").fields["resolution"].default
        64
    """
    found = find(name)
    if isinstance(found, Entry):
        return _part_card(found)
    return _model_card(load_config(name, preset) if preset else found)


def find(name: str) -> ModelConfig | Entry[Any]:
    """A model by name or YAML file, or a part by name or ``module:Class``.

    Raises:
        RegistryError: neither; names the nearest of all.
    """
    known = configs.list_models()
    if name in known or name.endswith((".yaml", ".yml")):
        return load_config(name)
    if ":" in name:
        return _find_class(name)
    for _, registry in registries():
        if name in registry or name in registry.broken():
            entry: Entry[Any] = registry.get(name)
            return entry
        known += registry.names()
    raise RegistryError(
        f"unknown model or part '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}"
    )


def _find_class(path: str) -> Entry[Any]:
    module = path.partition(":")[0]
    load_plugin(module)
    for _, registry in registries():
        try:
            entry: Entry[Any] = registry.get(path)
            return entry
        except RegistryError:  # the class may be registered as a part of another kind
            continue
    raise RegistryError(
        f"'{path}': {module} registers no part of that class; use @ENCODERS.register or its like"
    )


def model_facts(names: Collection[str]) -> list[ModelFacts]:
    """One row of facts per model, from the cache where it knows them."""
    cache, rows = FactCache("models"), []
    for name in names:
        key = name.encode() + b"\0" + (configs.config_dir() / f"{name}.yaml").read_bytes()
        known = cache.get(key)
        if known is None:
            config = load_config(name)
            facts = _facts(config)
            if _is_ours(config):
                cache.put(key, asdict(facts))
        else:
            facts = ModelFacts(**{**known, "supervision": tuple(known["supervision"])})
        rows.append(facts)
    cache.save()
    return rows


def _is_ours(config: ModelConfig) -> bool:
    """Whether every part comes from the code that the digest of the cache covers."""
    from zoo.system.source import parts_of

    return all(cls.__module__.startswith("zoo.") for cls in parts_of(config).values())


def _facts(config: ModelConfig, parameters: Mapping[str, int] | None = None) -> ModelFacts:
    from zoo.decoders import DECODERS
    from zoo.model import supervision

    return ModelFacts(
        name=config.name,
        title=config.title,
        summary=config.summary,
        citation=config.citation,
        licence=config.licence,
        encoder=config.encoder.name,
        decoder=config.decoder.name,
        representation=DECODERS.get(config.decoder.name).cls.representation,
        supervision=tuple(sorted(supervision(config) - {"image"})),
        parameters=sum((parameters or count_parameters(config)).values()),
    )


def _model_card(config: ModelConfig) -> ModelCard:
    parts = count_parameters(config)
    return ModelCard(
        **asdict(_facts(config, parts)),
        follows=config.follows,
        departs=config.departs,
        parts=parts,
        config=config,
    )


def count_parameters(config: ModelConfig) -> dict[str, int]:
    """Parameters of each part of a model but the discriminator, by kind, counted without allocating them."""
    import torch

    from zoo.model import Reconstructor

    with torch.device("meta"):
        model = Reconstructor(config)
    return {kind: sum(p.numel() for p in part.parameters()) for kind, part in model.named_children()}


def _part_card(entry: Entry[Any]) -> PartCard:
    fields = {
        name: FieldCard(
            type=_type_name(field.annotation),
            default=field.get_default(call_default_factory=True),
            help=field.description or "",
        )
        for name, field in entry.config.model_fields.items()
    }
    return PartCard(
        kind=entry.kind,
        name=entry.name,
        summary=entry.summary,
        description=cleandoc(entry.cls.__doc__ or ""),
        citation=entry.cite,
        tags=entry.tags,
        origin=entry.origin,
        fields=fields,
    )


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")
