"""The transposed-convolution decoder and the convolutional discriminator, with their switches."""

import pytest
import torch
from torch import nn

from zoo.decoders.voxel_deconv import VoxelDeconv, VoxelDeconvConfig
from zoo.discriminators.voxel_conv import VoxelConv, VoxelConvConfig
from zoo.layers.norm3d import norm3d
from zoo.types import Latent

KINDS = {nn.BatchNorm3d: "batch", nn.GroupNorm: "group", nn.InstanceNorm3d: "instance"}


def decode(decoder, batch=2, seed=0):
    z = torch.randn(batch, decoder.latent_dim, generator=torch.Generator().manual_seed(seed))
    return decoder(Latent(z)).logits


def decoder_of(latent_dim=6, **settings):
    torch.manual_seed(0)
    return VoxelDeconv(VoxelDeconvConfig(**settings), latent_dim=latent_dim)


@pytest.mark.parametrize("resolution", [32, 64, 128])
@pytest.mark.parametrize("stem", ["linear", "deconv"])
@pytest.mark.parametrize("up", ["deconv", "interp"])
def test_every_resolution_stem_and_way_up(resolution, stem, up):
    decoder = decoder_of(resolution=resolution, stem=stem, up=up, width=4)
    with torch.no_grad():
        assert decode(decoder, batch=1).shape == (1, resolution, resolution, resolution)
    assert decoder.resolution == resolution


def test_channels_halve_as_the_side_doubles():
    convs = [m for m in decoder_of(resolution=128, width=64).layers if isinstance(m, nn.ConvTranspose3d)]
    assert [m.in_channels for m in convs] == [64, 32, 16, 8, 4]
    assert [m.out_channels for m in convs] == [32, 16, 8, 4, 1]
    narrow = [m for m in decoder_of(resolution=128, width=2).layers if isinstance(m, nn.ConvTranspose3d)]
    assert [m.in_channels for m in narrow] == [2, 1, 1, 1, 1]


def test_the_linear_stem_has_no_activation():
    decoder = decoder_of(resolution=32, width=4)
    assert [type(m) for m in decoder.stem] == [nn.Linear, nn.Unflatten]
    z = torch.randn(2, 6)
    torch.testing.assert_close(decoder.stem(z) + decoder.stem(-z), 2 * decoder.stem(torch.zeros_like(z)))


def test_the_deconv_stem_is_3d_gans():
    decoder = decoder_of(resolution=32, width=4, stem="deconv", bias=False)
    assert [type(m) for m in decoder.stem] == [nn.Unflatten, nn.ConvTranspose3d, nn.BatchNorm3d, nn.ReLU]
    assert decoder.stem(torch.randn(2, 6)).shape == (2, 4, 4, 4, 4)
    assert not any(
        "bias" in name and "norm" not in name for name, p in decoder.named_parameters() if p.dim() > 1
    )
    assert all(m.bias is None for m in decoder.modules() if isinstance(m, nn.ConvTranspose3d))


def test_interp_is_nearest_upsampling_and_a_convolution():
    layers = decoder_of(resolution=32, width=4, up="interp").layers
    ups = [m for m in layers if isinstance(m, nn.Upsample)]
    convs = [m for m in layers if isinstance(m, nn.Conv3d)]
    assert len(ups) == len(convs) == 3
    assert all((u.scale_factor, u.mode) == (2, "nearest") for u in ups)
    assert all((c.kernel_size, c.padding) == ((3, 3, 3), (1, 1, 1)) for c in convs)


def test_logits_are_not_squashed():
    decoder = decoder_of(resolution=32, width=4)
    assert isinstance(decoder.layers[-1], nn.ConvTranspose3d), "no norm, no activation after the last layer"
    nn.init.constant_(decoder.layers[-1].bias, 7.0)
    assert decode(decoder).mean() > 5


@pytest.mark.parametrize("norm", ["batch", "group", "instance", "none"])
def test_norms_of_the_decoder(norm):
    decoder = decoder_of(resolution=32, width=16, norm=norm).train()
    found = {KINDS[type(m)] for m in decoder.modules() if type(m) in KINDS}
    assert found == ({norm} if norm != "none" else set())
    z = torch.randn(3, 6)
    whole, alone = decoder(Latent(z)).logits[:1], decoder(Latent(z[:1])).logits
    independent = torch.allclose(whole, alone, atol=1e-5)
    assert independent == (norm != "batch"), "only batch norm lets the items of a batch meet"


@pytest.mark.parametrize("channels", [1, 3, 6, 12, 20, 64])
def test_group_norm_takes_any_number_of_channels(channels):
    norm = norm3d("group", channels)
    assert channels % norm.num_groups == 0
    assert norm.num_groups <= 8
    out = norm(torch.randn(2, channels, 4, 4, 4))
    groups = out.unflatten(1, (norm.num_groups, -1)).flatten(2)
    torch.testing.assert_close(groups.mean(2), torch.zeros(2, norm.num_groups), atol=1e-5, rtol=0)


def test_one_item_can_train_with_batch_norm():
    decoder = decoder_of(resolution=32, width=4).train()
    decode(decoder, batch=1).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in decoder.parameters())


def test_overfits_one_sample():
    """A ball, from one code, in some tens of steps."""
    axis = (torch.arange(32) + 0.5) / 32 - 0.5
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 0.1).float()[None]
    decoder = decoder_of(resolution=32, width=16).train()
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        loss = nn.functional.binary_cross_entropy_with_logits(decode(decoder, 1), ball)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    made, true = decode(decoder, 1) > 0, ball > 0.5
    assert (made & true).sum() / (made | true).sum() > 0.8


# --- discriminator


def critic_of(resolution=32, **settings):
    torch.manual_seed(0)
    return VoxelConv(VoxelConvConfig(**{"width": 4, **settings}), resolution=resolution)


@pytest.mark.parametrize("resolution", [32, 64, 128])
@pytest.mark.parametrize("down", ["stride", "maxpool"])
def test_both_ways_down_end_at_4_cubed(resolution, down):
    critic = critic_of(resolution, down=down, width=2)
    with torch.no_grad():
        features = critic.layers(torch.rand(1, 1, resolution, resolution, resolution))
    assert features.shape == (1, 2 * resolution // 8, 4, 4, 4)


def test_layers_of_the_listing():
    layers = list(critic_of(32).layers)
    kinds = [nn.Conv3d, nn.BatchNorm3d, nn.LeakyReLU] * 3
    assert all(isinstance(m, kind) for m, kind in zip(layers, kinds, strict=True))
    convs = [m for m in layers if isinstance(m, nn.Conv3d)]
    assert all((c.kernel_size, c.stride, c.padding) == ((4, 4, 4), (2, 2, 2), (1, 1, 1)) for c in convs)
    assert all(c.bias is None for c in convs)
    assert {m.negative_slope for m in layers if isinstance(m, nn.LeakyReLU)} == {0.2}


def test_layers_of_the_text():
    layers = list(critic_of(32, down="maxpool", slope=0.1).layers)
    assert [type(m) for m in layers] == [nn.Conv3d, nn.MaxPool3d, nn.BatchNorm3d, nn.LeakyReLU] * 3
    convs = [m for m in layers if isinstance(m, nn.Conv3d)]
    assert all((c.kernel_size, c.stride, c.padding) == ((3, 3, 3), (1, 1, 1), (1, 1, 1)) for c in convs)
    assert {m.negative_slope for m in layers if isinstance(m, nn.LeakyReLU)} == {0.1}


def test_scores_are_logits():
    critic = critic_of()
    nn.init.constant_(critic.out.bias, 9.0)
    assert critic(torch.rand(2, 32, 32, 32)).min() > 5


def test_critic_of_another_resolution():
    with pytest.raises(ValueError, match=r"discriminator built for 32\^3 voxels, got \(1, 64, 64, 64\)"):
        critic_of(32)(torch.zeros(1, 64, 64, 64))


def test_the_critic_learns_to_tell_shapes_apart():
    critic = critic_of(norm="group")
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    sparse = (torch.rand(6, 32, 32, 32, generator=generator) < 0.05).float()
    dense = (torch.rand(6, 32, 32, 32, generator=generator) < 0.1).float()
    for _ in range(15):
        loss = nn.functional.softplus(-critic(sparse)).mean() + nn.functional.softplus(critic(dense)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert critic(sparse).min() > 0 > critic(dense).max()
