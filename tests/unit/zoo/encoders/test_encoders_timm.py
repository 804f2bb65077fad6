"""The encoders 'vit' and 'timm', and the Gaussian head that they share with others."""

import copy
import pickle
import subprocess
import sys

import pytest
import timm
import torch
from pydantic import ValidationError

from zoo.encoders import ENCODERS
from zoo.encoders.timm_backbone import TimmBackbone, TimmConfig
from zoo.encoders.vit import ViT, ViTConfig
from zoo.layers.gaussian import GaussianHead
from zoo.layers.timm_models import create_backbone, pad_image, padded
from zoo.registry import RegistryError
from zoo.types import ContractError

SMALL_VIT = {"width": 16, "depth": 2, "heads": 2, "patch": 8, "latent_dim": 6}


def build(name, size=(32, 48), channels=3, seed=0, **config):
    entry = ENCODERS.get(name)
    torch.manual_seed(seed)
    return entry.cls(
        entry.config.model_validate({**entry.smoke, **config}), in_channels=channels, image_size=size
    )


def images(batch, channels, size, seed=1):
    return torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(seed))


# --- Gaussian head


def test_head_gives_log_variance_of_the_log_sigma_that_it_predicts():
    head = GaussianHead(3, 2)
    x = torch.tensor([[1.0, -2.0, 0.5]])
    mean, log_var = head(x)
    torch.testing.assert_close(mean, x @ head.mean.weight.T + head.mean.bias)
    sigma = torch.exp(x @ head.log_sigma.weight.T + head.log_sigma.bias)
    torch.testing.assert_close(log_var, torch.log(sigma**2))


def test_head_clamps_log_sigma_to_ten():
    head = GaussianHead(1, 1)
    torch.nn.init.constant_(head.log_sigma.weight, 1.0)
    torch.nn.init.constant_(head.log_sigma.bias, 0.0)
    _, log_var = head(torch.tensor([[300.0], [-300.0], [3.0]]))
    assert log_var.flatten().tolist() == [20.0, -20.0, 6.0]


def test_deterministic_head_has_no_second_map():
    head = GaussianHead(5, 2, variational=False)
    mean, log_var = head(torch.zeros(1, 5))
    assert mean.shape == (1, 2)
    assert log_var is None
    assert sum(p.numel() for p in head.parameters()) == 5 * 2 + 2


# --- padding


def test_padding_repeats_the_edge_around_an_untouched_centre():
    image = images(1, 2, (5, 6))
    out = pad_image(image, (8, 8))
    assert padded((5, 6), 8) == (8, 8)
    torch.testing.assert_close(out[:, :, 1:6, 1:7], image)  # 3 rows to add: 1 above, 2 below
    torch.testing.assert_close(out[:, :, 0, 1:7], image[:, :, 0])
    torch.testing.assert_close(out[:, :, 6:, 1:7], image[:, :, -1:].expand(-1, -1, 2, -1))
    assert pad_image(image, (5, 6)) is image


# --- vit


def test_vit_is_timms_network_with_our_heads():
    encoder = build("vit", (32, 48), **SMALL_VIT).eval()
    x = images(2, 3, (32, 48))
    reference = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=0,
        img_size=(32, 48),
        patch_size=8,
        embed_dim=16,
        depth=2,
        num_heads=2,
        global_pool="avg",
        fc_norm=False,
    ).eval()
    reference.load_state_dict(encoder.transformer.state_dict())
    latent = encoder(x)
    torch.testing.assert_close(latent.mean, encoder.head.mean(reference(x)))
    torch.testing.assert_close(latent.log_var, 2 * encoder.head.log_sigma(reference(x)))
    torch.testing.assert_close(latent.tokens, reference.forward_features(x)[:, 1:])


def test_vit_average_pools_the_tokens_that_it_gives():
    encoder = build("vit", **SMALL_VIT).eval()
    latent = encoder(images(1, 3, (32, 48)))
    torch.testing.assert_close(latent.mean, encoder.head.mean(latent.tokens.mean(1)))


def test_vit_token_pool_reads_the_class_token():
    encoder = build("vit", **SMALL_VIT, pool="token").eval()
    x = images(1, 3, (32, 48))
    class_token = encoder.transformer.forward_features(x)[:, 0]
    torch.testing.assert_close(encoder(x).mean, encoder.head.mean(class_token))


@pytest.mark.parametrize(
    ("size", "grid"), [((32, 48), (4, 6)), ((37, 50), (5, 7)), ((8, 8), (1, 1)), ((127, 5), (16, 1))]
)
def test_vit_takes_any_size_and_loses_no_pixel(size, grid):
    encoder = build("vit", size, channels=1, **SMALL_VIT)
    x = images(1, 1, size).requires_grad_()
    latent = encoder(x)
    assert encoder.grid == grid
    assert latent.tokens.shape == (1, grid[0] * grid[1], 16)
    latent.mean.square().sum().backward()
    assert (x.grad != 0).all()


def test_vit_uses_the_fused_kernel():
    encoder = build("vit", **SMALL_VIT)
    assert all(block.attn.fused_attn for block in encoder.transformer.blocks)
    assert all(block.attn.attn_drop.p == 0 for block in encoder.transformer.blocks)


def test_vit_tiny_has_the_parameters_of_the_paper_family():
    with torch.device("meta"):
        encoder = ViT(ViTConfig(latent_dim=10), in_channels=3, image_size=(224, 224))
    # DeiT-Ti: 5,717,416 with a classifier 192 -> 1000
    trunk = sum(p.numel() for p in encoder.transformer.parameters())
    assert trunk == 5_717_416 - (192 * 1000 + 1000)


def test_vit_dropout_acts_in_training_only():
    encoder = build("vit", **SMALL_VIT, dropout=0.5, drop_path=0.3)
    x = images(4, 3, (32, 48))
    assert not torch.equal(encoder(x).mean, encoder(x).mean)
    encoder.eval()
    assert torch.equal(encoder(x).mean, encoder(x).mean)


def test_vit_refuses_an_architecture_that_is_none_and_names_the_entry_for_it():
    with pytest.raises(
        ContractError, match=r"'test_resnet' .* encoder: \{name: timm, backbone: test_resnet\}"
    ):
        build("vit", arch="test_resnet")
    with pytest.raises(ContractError, match="'vit_tiny_r_s16_p8_224' is a VisionTransformer, no plain"):
        ViT(ViTConfig(arch="vit_tiny_r_s16_p8_224"), in_channels=3, image_size=(64, 64))


def test_vit_refuses_sizes_that_do_not_fit():
    with pytest.raises(ValidationError, match="width 10 is not a multiple of heads 3"):
        ViTConfig(width=10, heads=3)
    with pytest.raises(ContractError, match=r"'vit_tiny_patch16_224' cannot be built with .*'num_heads': 5"):
        ViT(ViTConfig(heads=5), in_channels=3, image_size=(64, 64))  # 192 channels by default
    with pytest.raises(ValidationError, match="drop width or set pretrained: false"):
        ViTConfig(width=10, pretrained=True)


# --- timm


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_convnext", "test_maxvit", "resnet10t"])
@pytest.mark.parametrize("channels", [1, 3])
def test_timm_backbones_gray_and_rgb_at_odd_sizes(backbone, channels):
    size = (67, 50)
    encoder = build("timm", size, channels, backbone=backbone).eval()
    x = images(2, channels, size)
    latent = encoder(x)
    assert latent.mean.shape == latent.log_var.shape == (2, 8)
    torch.testing.assert_close(
        latent.mean, encoder.head.mean(encoder.backbone(pad_image(x, encoder.padded_size)))
    )


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("test_resnet", (137, 137)),  # any size
        ("test_vit", (144, 144)),  # patches of 16
        ("beit_base_patch16_224", (144, 144)),  # would silently cut the border off
        ("test_maxvit", (160, 160)),  # windows on a stride of 32
    ],
)
def test_timm_pads_as_little_as_the_backbone_needs(backbone, expected):
    with torch.device("meta"):
        encoder = TimmBackbone(TimmConfig(backbone=backbone), in_channels=3, image_size=(137, 137))
    assert encoder.padded_size == expected


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
def test_timm_probing_leaves_the_seeded_weights_as_timm_draws_them(backbone):
    encoder = build("timm", (64, 64), backbone=backbone, seed=3)
    torch.manual_seed(3)
    size = {"img_size": (64, 64)} if backbone == "test_vit" else {}
    reference = timm.create_model(backbone, num_classes=0, **size).state_dict()
    state = encoder.backbone.state_dict()
    assert state.keys() == reference.keys()
    assert all(torch.equal(state[key], reference[key]) for key in reference)


def test_timm_passes_options_on():
    encoder = build("timm", (32, 32), backbone="test_resnet", options={"drop_path_rate": 0.5})
    rates = [m.drop_prob for m in encoder.backbone.modules() if type(m).__name__ == "DropPath"]
    assert max(rates) == 0.5
    with pytest.raises(ContractError, match=r"timm backbone 'test_resnet' does not take .*no_such_option"):
        build("timm", (32, 32), backbone="test_resnet", options={"no_such_option": 1})


def test_unknown_backbone_names_the_nearest():
    with pytest.raises(RegistryError, match=r"unknown timm backbone 'resnet81'\. Did you mean .*'resnet18'"):
        build("timm", backbone="resnet81")
    with pytest.raises(RegistryError, match=r"unknown timm backbone 'vit_tinny_.*'vit_tiny_patch16_224'"):
        build("vit", arch="vit_tinny_patch16_224")


def test_unknown_weights_tag_names_the_known_ones():
    with pytest.raises(RegistryError, match=r"'resnet18' has no weights 'a1_in2k'\. Did you mean 'a1_in1k'"):
        build("timm", backbone="resnet18.a1_in2k")
    assert build("timm", (32, 32), backbone="test_resnet.r160_in1k").padded_size == (32, 32)


def test_missing_and_unreachable_weights_say_how_to_go_on(monkeypatch):
    with pytest.raises(RegistryError, match="'cs3darknet_s' has no pretrained weights; set pretrained"):
        build("timm", backbone="cs3darknet_s", pretrained=True)

    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(RuntimeError, match=r"'test_resnet' \(OSError: no route to host\); set pretrained"):
        create_backbone("test_resnet", pretrained=True)


def test_refused_size_names_the_backbone_the_size_and_what_it_was_made_for():
    with pytest.raises(ContractError) as caught:
        build("timm", (64, 64), 1, backbone="efficientformer_l1")
    text = str(caught.value)
    assert "'efficientformer_l1' refuses images of 1x64x64" in text
    assert "it was made for 3x224x224" in text


# --- what every encoder owes


@pytest.mark.parametrize("name", ["vit", "timm"])
class TestContract:
    def test_shapes_and_gradients_reach_every_parameter(self, name):
        encoder = build(name)
        latent = encoder(images(2, 3, (32, 48)))
        assert latent.mean.shape == (2, encoder.latent_dim)
        parts = [latent.mean, latent.log_var] + ([latent.tokens] if name == "vit" else [])
        sum(part.square().sum() for part in parts).backward()
        without = [key for key, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == []

    def test_items_do_not_see_each_other_in_evaluation(self, name):
        encoder = build(name).eval()
        x = images(3, 3, (32, 48))
        torch.testing.assert_close(encoder(x).mean[1:2], encoder(x[1:2]).mean, rtol=1e-5, atol=1e-6)

    def test_same_seed_same_weights_and_copies_agree(self, name):
        encoder, twin, other = build(name).eval(), build(name).eval(), build(name, seed=5).eval()
        x = images(1, 3, (32, 48))
        expected = encoder(x).mean
        assert torch.equal(twin(x).mean, expected)
        assert not torch.equal(other(x).mean, expected)
        other.load_state_dict(encoder.state_dict())
        for same in (other, copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
            assert torch.equal(same(x).mean, expected)

    def test_builds_without_memory(self, name):
        with torch.device("meta"):
            encoder = build(name)
        assert {p.device.type for p in encoder.parameters()} == {"meta"}
        shapes = {key: p.shape for key, p in build(name).named_parameters()}
        assert {key: p.shape for key, p in encoder.named_parameters()} == shapes

    def test_bf16_autocast_is_finite_and_near(self, name):
        encoder = build(name).eval()
        x = images(2, 3, (32, 48))
        with torch.autocast("cpu", torch.bfloat16):
            rough = encoder(x).mean.float()
        torch.testing.assert_close(rough, encoder(x).mean, rtol=0.1, atol=0.05)

    def test_deterministic_variant_gives_no_posterior(self, name):
        encoder = build(name, variational=False)
        assert encoder(images(2, 3, (32, 48))).log_var is None
        assert "log_var" not in encoder.provides
        assert "log_var" in build(name).provides

    def test_unknown_key_and_other_image_size_are_refused(self, name):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            build(name, latentdim=3)
        with pytest.raises(ValueError, match=r"built for images of \(32, 48\), got \(32, 32\)"):
            build(name)(images(1, 3, (32, 32)))


def test_listing_the_encoders_does_not_import_timm():
    code = (
        "import sys; from zoo.encoders import ENCODERS; print(ENCODERS.names('vit'), 'timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "['vit'] False"
