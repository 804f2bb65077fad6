"""Model configs: YAML, preset and overrides in; one validated, frozen `ModelConfig` out.

Layers, later ones winning: ``configs/<model>.yaml``, the preset's section for every model, for the data
set, for each part that the model uses, the model's own section for the preset, ``--set key.path=value``.
Nothing interpolates and nothing inherits: what comes out can be printed, saved and fed back.
"""

from zoo.config.errors import ConfigError as ConfigError
from zoo.config.errors import validate as validate
from zoo.config.files import config_dir as config_dir
from zoo.config.files import list_models as list_models
from zoo.config.files import list_presets as list_presets
from zoo.config.files import load_config as load_config
from zoo.config.files import load_preset as load_preset
from zoo.config.files import read_yaml as read_yaml
from zoo.config.overrides import Overrides as Overrides
from zoo.config.overrides import merge as merge
from zoo.config.overrides import parse_overrides as parse_overrides
from zoo.config.parse import parse_model as parse_model
from zoo.config.schema import LossConfig as LossConfig
from zoo.config.schema import LossPart as LossPart
from zoo.config.schema import ModelConfig as ModelConfig
from zoo.config.schema import OptimizerConfig as OptimizerConfig
from zoo.config.schema import Part as Part
from zoo.config.schema import PreprocessConfig as PreprocessConfig
from zoo.config.schema import RefineConfig as RefineConfig
from zoo.config.schema import StageConfig as StageConfig
from zoo.config.schema import TrainConfig as TrainConfig
from zoo.config.schema import identity_of as identity_of
