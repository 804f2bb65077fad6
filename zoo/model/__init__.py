"""A model: preprocessing, an encoder and a decoder that fit."""

from zoo.model.build import build_discriminator as build_discriminator
from zoo.model.build import build_losses as build_losses
from zoo.model.build import build_model as build_model
from zoo.model.build import create_model as create_model
from zoo.model.build import inputs as inputs
from zoo.model.build import supervision as supervision
from zoo.model.reconstructor import Reconstructor as Reconstructor
from zoo.model.reconstructor import takes_views as takes_views
