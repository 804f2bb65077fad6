"""R3D's golden numbers: what the report's listing gives, and what the repaired reading gives instead.

Sources: the appendix listing of the R3D report for layers and parameter totals; closed forms for the rest.
"""

import math

import pytest
import torch

from zoo.config import load_config
from zoo.decoders.voxel_deconv import VoxelDeconv, VoxelDeconvConfig
from zoo.discriminators.voxel_conv import VoxelConv, VoxelConvConfig
from zoo.encoders.attention_cnn import AttentionCNN, AttentionCNNConfig
from zoo.encoders.cnn import CNN, CNNConfig
from zoo.layers.attention import SelfAttention2d
from zoo.losses.kl import KL, KLConfig
from zoo.model import build_discriminator, build_model, create_model
from zoo.types import Batch, ContractError, Latent, Prediction, Voxels

SIZE = (192, 256)


def count(module):
    return sum(p.numel() for p in module.parameters())


def encoder(channels=1, size=SIZE, seed=0, kind=AttentionCNN, config=AttentionCNNConfig, **settings):
    torch.manual_seed(seed)
    return kind(config(**settings), in_channels=channels, image_size=size)


@pytest.fixture(scope="module")
def full_encoder():
    return encoder().eval()


# --- parameters


def test_encoder_layer_by_layer(full_encoder):
    rows = {
        "blocks.0": 320, "attention.0": 4_224, "blocks.1": 18_496, "attention.1": 16_640, "blocks.2": 73_856,
        "linears.0": 6_292_480, "linears.2": 524_800, "linears.4": 131_328,
        "head.mean": 263_168, "head.log_sigma": 263_168,
    }  # fmt: skip
    assert {name: count(full_encoder.get_submodule(name)) for name in rows} == rows
    assert sum(rows.values()) == count(full_encoder) == 7_588_480


def test_encoder_of_rgb_images():
    with torch.device("meta"):
        assert count(encoder(channels=3)) == 7_589_056


def test_generator_layer_by_layer():
    generator = VoxelDeconv(VoxelDeconvConfig(), latent_dim=1024)
    deconvs = [count(m) for m in generator.layers if isinstance(m, torch.nn.ConvTranspose3d)]
    norms = [count(m) for m in generator.layers if isinstance(m, torch.nn.BatchNorm3d)]
    assert count(generator.stem) == 4_198_400
    assert [d + n for d, n in zip(deconvs, [*norms, 0], strict=True)] == [131_168, 32_816, 8_216, 513]
    assert count(generator) == 4_371_113


def test_discriminator_layer_by_layer():
    discriminator = VoxelConv(VoxelConvConfig(), resolution=64)
    convs = [count(m) for m in discriminator.layers if isinstance(m, torch.nn.Conv3d)]
    norms = [count(m) for m in discriminator.layers if isinstance(m, torch.nn.BatchNorm3d)]
    rows = [c + n for c, n in zip(convs, norms, strict=True)]
    assert rows == [4_224, 524_544, 2_097_664, 8_389_632]
    assert count(discriminator.out) == 32_769
    assert count(discriminator) == 11_048_833


def test_3d_gan_is_a_configuration_of_both():
    generator = VoxelDeconv(VoxelDeconvConfig(stem="deconv", width=512, bias=False), latent_dim=200)
    assert count(generator) == 17_569_664
    assert count(VoxelConv(VoxelConvConfig(bias_out=False), resolution=64)) == 11_048_832


@pytest.mark.parametrize("name", ["r3d", "r3d_appendix"])
def test_the_models_have_the_reports_totals(name):
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config)
    assert (count(model.encoder), count(model.decoder)) == (7_588_480, 4_371_113)
    assert count(model) == 11_959_593
    if name == "r3d":
        with torch.device("meta"):
            discriminator = build_discriminator(config, model.decoder, seed=0)
        assert count(model) + count(discriminator) == 23_008_426


def test_the_baseline_is_r3d_without_its_attention():
    with torch.device("meta"):
        r3d, plain = create_model("r3d"), create_model("vae_gan_baseline")
    assert count(r3d) - count(plain) == 4_224 + 16_640
    left_out = r3d.state_dict().keys() - plain.state_dict().keys()
    assert plain.state_dict().keys() <= r3d.state_dict().keys()
    assert all(key.startswith("encoder.attention.") for key in left_out)
    ours, theirs = load_config("r3d").resolved(), load_config("vae_gan_baseline").resolved()
    for same in ("preprocess", "decoder", "discriminator", "losses", "train"):
        assert ours[same] == theirs[same]


def test_r3d_appendix_is_the_listing():
    config = load_config("r3d_appendix")
    settings, optimizer = config.encoder.config, config.train.optimizer
    assert (settings.causal, settings.attention_dropout, settings.dropout) == (True, 0.1, 0.1)
    assert (settings.pre_norm, settings.mlp_ratio, settings.position) == (False, 0.0, "none")
    assert config.losses.keys() == {"voxel_bce", "kl"}
    assert config.losses["kl"].config.form == "appendix"
    assert config.losses["voxel_bce"].config.reduction == "sum"
    assert (optimizer.name, optimizer.lr, optimizer.betas) == ("adamw", 1e-3, (0.9, 0.98))
    assert (optimizer.weight_decay, optimizer.schedule, config.train.batch_size) == (0.2, "constant", 1)
    r3d = load_config("r3d")
    assert (r3d.encoder.config.causal, r3d.encoder.config.attention_dropout) == (False, 0.0)
    assert r3d.losses["kl"].config.form == "standard"


# --- shapes


@torch.inference_mode()
def test_latent_of_two_images(full_encoder):
    """The listing flattens the batch away and gives one vector."""
    images = torch.rand(2, 1, *SIZE)
    latent = full_encoder(images)
    assert latent.mean.shape == latent.log_var.shape == (2, 1024)
    torch.testing.assert_close(latent.mean[1:], full_encoder(images[1:]).mean, rtol=1e-4, atol=1e-6)


def test_map_before_the_linear_layers(full_encoder):
    assert full_encoder.map_sizes == (128, 6, 8)
    assert encoder(size=(96, 64)).map_sizes == (128, 3, 2)


def test_encoder_of_another_size_than_it_was_built_for(full_encoder):
    with pytest.raises(ValueError, match=r"encoder built for images of \(192, 256\), got \(96, 128\)"):
        full_encoder(torch.rand(1, 1, 96, 128))


def test_images_that_vanish_under_the_pools():
    with pytest.raises(ContractError, match=r"images of 16x16 vanish under pools \(2, 4, 4\); give larger"):
        encoder(size=(16, 16))


def test_generator_output():
    generator = VoxelDeconv(VoxelDeconvConfig(), latent_dim=1024)
    for training, batch in ((True, 1), (False, 2)):  # 4^3 cells and more are enough statistics for one item
        generator.train(training)
        probabilities = torch.sigmoid(generator(Latent(torch.randn(batch, 1024))).logits)
        assert probabilities.shape == (batch, 64, 64, 64)
        assert ((probabilities > 0) & (probabilities < 1)).all()


def test_discriminator_reduces_to_4_cubed():
    discriminator = VoxelConv(VoxelConvConfig(), resolution=64).eval()
    with torch.inference_mode():
        assert discriminator.layers(torch.rand(1, 1, 64, 64, 64)).shape == (1, 512, 4, 4, 4)
        assert discriminator(torch.rand(2, 64, 64, 64)).shape == (2,)


# --- KL


def kl(form, latent):
    batch = Batch(
        ids=("",) * len(latent.mean), image=torch.zeros(len(latent.mean), 1, 4, 1, 1, dtype=torch.uint8)
    )
    prediction = Prediction(latent, latent.mean, Voxels(torch.zeros(len(batch), 4, 4, 4)))
    return KL(KLConfig(form=form))(prediction, batch)


@pytest.mark.parametrize(
    ("form", "sigma", "mean", "value"),
    [
        ("appendix", 1.0, 0.0, 512.0),
        ("standard", 1.0, 0.0, 0.0),
        ("appendix", math.sqrt(0.5), 0.0, 354.9),  # its minimum, and not 0
        ("standard", math.sqrt(0.5), 0.0, 98.9),
        ("standard", 1.0, 1.0, 512.0),
        ("appendix", 1.0, 1.0, 1536.0),
    ],
)
def test_kl_of_1024_dimensions(form, sigma, mean, value):
    latent = Latent(torch.full((3, 1024), mean), torch.full((3, 1024), 2 * math.log(sigma)))
    assert kl(form, latent).item() == pytest.approx(value, abs=0.05)


def test_appendix_kl_is_least_at_the_root_of_one_half():
    log_var = torch.linspace(-2, 2, 401)[:, None].requires_grad_()
    latent = Latent(torch.zeros(401, 1), log_var)
    kl("appendix", latent).backward()
    rising = log_var.grad.flatten() > 0
    turn = log_var[rising][0].item()
    assert turn == pytest.approx(math.log(0.5), abs=0.02)
    assert not rising[log_var.flatten() < math.log(0.5) - 0.02].any()


def test_latents_carry_twice_the_log_sigma_of_the_listing():
    """The listing calls log sigma `fc_logvar`; what leaves the encoder is log(sigma^2)."""
    model = encoder(size=(48, 64)).eval()
    torch.nn.init.zeros_(model.head.log_sigma.weight)
    torch.nn.init.constant_(model.head.log_sigma.bias, 0.25)
    latent = model(torch.rand(1, 1, 48, 64))
    torch.testing.assert_close(latent.log_var, torch.full((1, 1024), 0.5))


def test_images_in_0_to_255_do_not_overflow():
    model = encoder(size=(48, 64)).train()
    torch.nn.init.constant_(model.head.log_sigma.bias, 500.0)
    latent = model(255 * torch.rand(2, 1, 48, 64))
    assert torch.isfinite(latent.sample()).all()
    assert latent.log_var.max() == 20


# --- the causal mask


@pytest.mark.parametrize("causal", [True, False])
def test_the_last_position_reaches_the_first_only_without_the_mask(causal):
    torch.manual_seed(0)
    block = SelfAttention2d(32, 4, 8, causal=causal)
    features = torch.randn(1, 32, 24, 32)
    changed = features.clone()
    changed[..., -1, -1] += 1
    first, other = block(features)[..., 0, 0], block(changed)[..., 0, 0]
    assert torch.equal(first, other) == causal


@torch.inference_mode()
def test_the_mask_reaches_the_encoder():
    images = torch.rand(1, 1, 48, 64)
    changed = images.clone()
    changed[..., -8:, -8:] = 1 - changed[..., -8:, -8:]
    for causal in (True, False):
        model = encoder(size=(48, 64), causal=causal).eval()
        before, after = (model.mix(0, model.blocks[0](x))[..., :4, :4] for x in (images, changed))
        assert torch.equal(before, after) == causal


# --- attention is the only difference


def test_one_seed_gives_both_encoders_the_same_weights():
    plain = encoder(kind=CNN, config=CNNConfig, size=(48, 64), seed=3).state_dict()
    attentive = encoder(size=(48, 64), seed=3).state_dict()
    assert len(plain) == 16
    for key, value in plain.items():
        assert torch.equal(value, attentive[key]), key


@torch.inference_mode()
def test_attention_that_adds_nothing_leaves_the_plain_encoder():
    plain = encoder(kind=CNN, config=CNNConfig, size=(48, 64), seed=3).eval()
    attentive = encoder(size=(48, 64), seed=3).eval()
    images = torch.rand(2, 1, 48, 64)
    assert not torch.allclose(plain(images).mean, attentive(images).mean, atol=1e-6)
    for block in attentive.attention:
        torch.nn.init.zeros_(block.out.weight)
        torch.nn.init.zeros_(block.out.bias)
    assert torch.equal(plain(images).mean, attentive(images).mean)


def test_sampling_is_the_models_and_only_in_training():
    model = create_model("r3d", overrides=["preprocess.size=[48, 64]", "encoder.dropout=0"], seed=0)
    images = torch.rand(2, 1, 1, 48, 64)
    with torch.no_grad():
        evaluated = model.eval()(images)
        trained = [model.train()(images, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(evaluated.z, evaluated.latent.mean)
    assert torch.equal(trained[0].latent.mean, evaluated.latent.mean), "the encoder itself never samples"
    assert torch.equal(trained[0].z, trained[1].z)
    assert not torch.equal(trained[0].z, trained[2].z)
    noise = (trained[0].z - trained[0].latent.mean) / torch.exp(0.5 * trained[0].latent.log_var)
    assert noise.mean().item() == pytest.approx(0, abs=0.1)
    assert noise.std().item() == pytest.approx(1, abs=0.1)
