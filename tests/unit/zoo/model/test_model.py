"""A model as a whole: parts that fit, views, modes, seeds."""

import pytest
import torch

import zoo
from zoo.model import build_discriminator, build_losses, build_model, create_model
from zoo.testing.smoke import SmokeSource
from zoo.types import ContractError

ALL = SmokeSource.provides


def losses_error(config, provides=ALL):
    with pytest.raises(ContractError) as error:
        build_losses(config, build_model(config), provides)
    return str(error.value)


# --- contracts


def test_losses_of_the_config(tiny_config):
    config = tiny_config("losses.kl.form=appendix")
    losses = build_losses(config, build_model(config), ALL)
    assert list(losses) == ["voxel_bce", "kl", "adversarial"]
    assert losses["kl"].config.form == "appendix"


def test_a_loss_that_the_data_does_not_feed(tiny_config):
    assert losses_error(tiny_config(), frozenset()) == (
        "model 'tiny': loss 'voxel_bce' needs voxels from the data set, which provides nothing"
    )


def test_a_loss_that_the_encoder_does_not_feed(tiny_config):
    text = losses_error(tiny_config("encoder={name: residual_cnn, widths: [4, 4, 4, 4, 4, 4]}"))
    assert text.startswith(
        "model 'tiny': loss 'kl' needs log_var of the latent, which encoder 'residual_cnn' does not give; "
        "encoders that do: attention_cnn, cnn"
    )


def test_a_loss_that_reads_another_representation(tiny_config, monkeypatch):
    from zoo.losses import LOSSES

    monkeypatch.setattr(LOSSES.get("voxel_bce").cls, "representations", ("points",))
    assert losses_error(tiny_config()) == (
        "model 'tiny': loss 'voxel_bce' reads points, decoder 'voxel_deconv' makes voxels; "
        "losses that fit: adversarial, dice, focal, ray_depth, ray_mask, reprojection, soft_iou, voxel_l2"
    )


def test_an_adversarial_loss_without_a_discriminator(tiny_config):
    assert losses_error(tiny_config("discriminator=null")) == (
        "model 'tiny': loss 'adversarial' needs a discriminator; add one, "
        "e.g. discriminator: {name: voxel_conv}"
    )


def test_a_discriminator_without_an_adversarial_loss(tiny_config):
    config = tiny_config()
    losses = {k: v for k, v in config.losses.items() if k != "adversarial"}
    assert losses_error(config.model_copy(update={"losses": losses})) == (
        "model 'tiny' has a discriminator but no adversarial loss; add 'adversarial: {}' to its losses"
    )


def test_a_discriminator_of_another_representation(tiny_config, monkeypatch):
    config = tiny_config()
    decoder = build_model(config).decoder
    monkeypatch.setattr(type(decoder), "representation", "points")
    with pytest.raises(ContractError) as error:
        build_discriminator(config, decoder, seed=0)
    assert str(error.value) == (
        "discriminator 'voxel_conv' reads voxels, decoder 'voxel_deconv' makes points; that fit: none"
    )


def test_no_discriminator(tiny_config):
    config = tiny_config("discriminator=null")
    assert build_discriminator(config, build_model(config).decoder, seed=0) is None


# --- forward


def test_one_view_decoders_refuse_several(tiny_config):
    model = build_model(tiny_config())
    with pytest.raises(ContractError, match=r"decoder 'voxel_deconv' reads one view, got 2; .*: voxel_gru"):
        model(torch.rand(1, 2, 1, 16, 16))


def test_views_keep_their_places(tiny_config):
    """A decoder of several views gets (B, V, D), in the order of the images."""
    model = build_model(tiny_config("decoder={name: voxel_gru, channels: 4}"), seed=0).eval()
    image = torch.rand(2, 3, 1, 16, 16)
    with torch.no_grad():
        prediction = model(image)
        assert prediction.latent.mean.shape == prediction.latent.log_var.shape == (2, 3, 8)
        torch.testing.assert_close(prediction.latent.mean[1, 2], model.encoder(image[1, 2:]).mean[0])
    assert prediction.shapes.logits.shape == (2, 32, 32, 32)


def test_evaluation_decodes_the_mean(tiny_config):
    model = build_model(tiny_config(), seed=0).eval()
    image = torch.rand(2, 1, 1, 16, 16)
    one, other = model(image), model(image, torch.Generator().manual_seed(1))
    assert torch.equal(one.z, one.latent.mean)
    assert torch.equal(one.shapes.logits, other.shapes.logits)


def test_a_deterministic_encoder_is_never_sampled(tiny_config):
    config = tiny_config("encoder={name: residual_cnn, widths: [4, 4, 4, 4, 4, 4]}")
    prediction = build_model(config, seed=0).train()(torch.rand(2, 1, 1, 16, 16))
    assert prediction.latent.log_var is None
    assert torch.equal(prediction.z, prediction.latent.mean)


def test_reconstruct_gives_shapes_and_restores_the_mode(tiny_config):
    model = build_model(tiny_config(), seed=0)
    rgba = SmokeSource(size=(40, 30)).fetch([0, 1], [[0], [1]]).image
    for training in (True, False):
        model.train(training)
        shapes = model.reconstruct(rgba)
        assert model.training == training
    with torch.no_grad():
        want = torch.sigmoid(model.eval()(model.preprocess(rgba)).shapes.logits)
    assert [s.occupancy.shape for s in shapes] == [(32, 32, 32)] * 2
    torch.testing.assert_close(torch.from_numpy(shapes[1].occupancy), want[1])


def test_the_mode_is_restored_after_an_error(tiny_config):
    model = build_model(tiny_config()).train()
    with pytest.raises(ContractError):
        model.reconstruct(torch.zeros(1, 2, 4, 16, 16, dtype=torch.uint8))
    assert model.training


# --- seeds and the front door


def test_a_seed_gives_weights_and_leaves_the_global_generator_alone(tiny_config):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, same, other = (build_model(tiny_config(), seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    key = "encoder.head.mean.weight"
    assert torch.equal(one.state_dict()[key], same.state_dict()[key])
    assert not torch.equal(one.state_dict()[key], other.state_dict()[key])


def test_without_a_seed_torchs_own_generator_draws(tiny_config):
    torch.manual_seed(3)
    one = build_model(tiny_config())
    torch.manual_seed(3)
    assert torch.equal(one.encoder.head.mean.weight, build_model(tiny_config()).encoder.head.mean.weight)


def test_create_model_by_name():
    model = create_model("vae_gan_baseline", preset="quick", overrides=["encoder.latent_dim=7"], seed=0)
    assert isinstance(model, zoo.Reconstructor)
    assert model.encoder.latent_dim == model.decoder.latent_dim == 7


def test_the_package_gives_its_names_on_demand():
    assert set(zoo.__all__) <= set(dir(zoo))
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
    assert "r3d" in zoo.list_models("r3*")
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'creat_model'"):
        zoo.creat_model  # noqa: B018
