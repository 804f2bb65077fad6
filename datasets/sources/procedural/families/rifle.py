"""Rifles: muzzle towards +x, sights up. The unit is about the length of the weapon."""

from __future__ import annotations

from ....making.draw import Draw
from ..parts import Color, Parts, dark, darker, fabric, metal, wood
from ..primitives import box, extrude, move, rod, tube, turn

BARREL = 0.0245
"""Least radius of a barrel: it meets a line of cell centres of a 32^3 grid wherever it lies."""
FLAT = 0.05
"""Usual thickness of a stock or receiver across (z)."""


def _furniture(draw: Draw) -> Color:
    return wood(draw) if draw.chance(0.45) else draw.pick((dark, dark, fabric))(draw)


def _barrel(parts: Parts, draw: Draw, start: float, stop: float, y: float, color: Color) -> None:
    """Barrel along x, with a muzzle brake, a silencer, a front sight or none."""
    parts.add(rod((start, y, 0), (stop, y, 0), BARREL), color)
    kind = draw.pick(("plain", "brake", "silencer", "sight", "sight"))
    if kind == "brake":
        parts.add(rod((stop - 0.06, y, 0), (stop + 0.005, y, 0), 0.03), darker(color))
    elif kind == "silencer":
        parts.add(rod((stop - 0.17, y, 0), (stop + 0.01, y, 0), 0.033), darker(color))
    elif kind == "sight":
        parts.add(
            box((0.035, 0.075, 0.034), (stop - draw.between(0.03, 0.08), y + 0.045, 0), taper=(0.6, 1)),
            darker(color),
        )


def _grip(parts: Parts, draw: Draw, x: float, y: float, color: Color) -> None:
    """Pistol grip below (x, y), slanted backwards, with a trigger guard before it."""
    tall, lean = draw.between(0.1, 0.14), draw.between(8, 28)
    grip = box((0.055, tall, 0.045), (0, -tall / 2, 0), taper=(0.9, 1), bevel=0.006)
    parts.add(move(turn(grip, "z", -lean), (x, y + 0.01, 0)), color)
    guard = [
        (x + 0.02, y - 0.002, 0.0),
        (x + 0.03, y - 0.045, 0.0),
        (x + 0.1, y - 0.045, 0.0),
        (x + 0.11, y - 0.002, 0.0),
    ]
    parts.add(tube(guard, 0.018), darker(color))


def _magazine(parts: Parts, draw: Draw, x: float, y: float, color: Color) -> None:
    """Box below (x, y): straight, slanted or curved forwards."""
    tall, wide = draw.between(0.09, 0.19), draw.between(0.05, 0.08)
    if draw.chance(0.45):
        top, angle, bend = (x, y + 0.01), 0.0, draw.between(6, 14)
        for _ in range(3):
            step = turn(box((wide, tall / 3 + 0.015, 0.04), (0, -tall / 6, 0)), "z", angle)
            parts.add(move(step, (*top, 0)), color)
            end = turn(box((0.01, 0.01, 0.01), (0, -tall / 3, 0)), "z", angle).vertices.mean(0)
            top = (top[0] + float(end[0]), top[1] + float(end[1]))
            angle += bend
    else:
        block = turn(box((wide, tall, 0.042), (0, -tall / 2, 0)), "z", draw.between(-4, 14))
        parts.add(move(block, (x, y + 0.01, 0)), color)


def _scope(parts: Parts, draw: Draw, x: float, y: float) -> None:
    """Telescope on two mounts above (x, y)."""
    color, length = dark(draw), draw.between(0.2, 0.32)
    lift = draw.between(0.055, 0.07)
    bell = draw.between(0.03, 0.038)
    parts.add(rod((x - length / 2, y + lift, 0), (x + length / 2, y + lift, 0), BARREL), color)
    parts.add(
        rod((x + length * 0.25, y + lift, 0), (x + length / 2 + 0.02, y + lift, 0), BARREL, bell), color
    )
    parts.add(rod((x - length / 2 - 0.02, y + lift, 0), (x - length * 0.3, y + lift, 0), bell * 0.9), color)
    for dx in (-0.16, 0.16):
        parts.add(box((0.035, lift, 0.036), (x + dx * length, y + lift / 2, 0)), color)
    if draw.chance(0.6):
        parts.add(rod((x, y + lift, 0), (x, y + lift + 0.05, 0), 0.024), color)


def _sights(parts: Parts, draw: Draw, x: float, y: float) -> None:
    """What sits on a receiver: a scope, a carrying handle, a red dot or a plain rear sight."""
    kind = draw.pick(("scope", "handle", "dot", "rear"))
    color = dark(draw)
    if kind == "scope":
        _scope(parts, draw, x, y)
    elif kind == "handle":
        path = [
            (x - 0.1, y - 0.01, 0),
            (x - 0.08, y + 0.06, 0),
            (x + 0.06, y + 0.06, 0),
            (x + 0.1, y - 0.01, 0),
        ]
        parts.add(tube(path, 0.024), color)
    elif kind == "dot":
        parts.add(box((0.09, 0.065, 0.045), (x, y + 0.03, 0), bevel=0.01), color)
    else:
        parts.add(box((0.05, 0.05, 0.036), (x - 0.06, y + 0.015, 0), taper=(0.5, 1)), color)


def _bipod(parts: Parts, draw: Draw, x: float, y: float) -> None:
    color, drop, spread = metal(draw), draw.between(0.13, 0.2), draw.between(0.06, 0.11)
    parts.pair(rod((x, y, 0), (x + draw.between(-0.03, 0.05), y - drop, spread), 0.025), color)


def _butt(parts: Parts, draw: Draw, x: float, y: float, length: float, color: Color) -> None:
    """Shoulder stock behind (x, y): solid, hollow frame, telescoping or thumb-hole."""
    kind = draw.pick(("solid", "solid", "frame", "slide", "thumb"))
    end, tall = x - length, draw.between(0.11, 0.15)
    drop = draw.between(0.0, 0.035)
    if kind in ("solid", "thumb"):
        outline = [
            (x + 0.01, y - 0.03),
            (x + 0.01, y + 0.025),
            (end, y + 0.02 - drop),
            (end, y + 0.02 - drop - tall),
        ]
        if kind == "thumb":
            parts.add(extrude([*outline[1:3], (end, y - 0.03 - drop), (x, y - 0.02)], FLAT), color)
            parts.add(box((0.05, tall, FLAT), (end + 0.025, y + 0.02 - drop - tall / 2, 0)), color)
            parts.add(
                box((length * 0.6, 0.04, FLAT * 0.9), (end + length * 0.3, y + 0.03 - drop - tall, 0)), color
            )
        else:
            parts.add(extrude(outline, FLAT), color)
    elif kind == "frame":
        path = [
            (x, y + 0.01, 0),
            (end + 0.02, y - drop, 0),
            (end + 0.02, y - drop - tall, 0),
            (x - 0.02, y - 0.03, 0),
        ]
        parts.add(tube(path, 0.025), darker(color))
    else:
        parts.add(rod((end + 0.05, y, 0), (x + 0.01, y, 0), 0.025), metal(draw))
        block = length * draw.between(0.45, 0.65)
        outline = [(end + block, y - 0.035), (end + block, y + 0.03), (end, y + 0.03), (end, y - tall + 0.02)]
        parts.add(extrude(outline, FLAT), color)


def assault(draw: Draw, parts: Parts) -> None:
    """Receiver, hand guard, magazine, pistol grip, stock."""
    steel, color = dark(draw), _furniture(draw)
    back, front = -draw.between(0.16, 0.24), draw.between(0.04, 0.12)
    tall = draw.between(0.065, 0.085)
    parts.add(box((front - back, tall, FLAT), ((front + back) / 2, 0, 0), bevel=0.006), steel)
    guard = draw.between(0.16, 0.28)
    thick = draw.between(0.05, 0.066)
    parts.add(
        rod(
            (front - 0.01, 0.005, 0),
            (front + guard, 0.005, 0),
            thick * 0.58,
            thick * 0.5,
            sides=draw.pick((6, 8, 10)),
        ),
        color,
    )
    _barrel(parts, draw, front, front + guard + draw.between(0.08, 0.22), 0.01, steel)
    _magazine(
        parts, draw, draw.between(-0.08, -0.02) + front, -tall / 2, steel if draw.chance(0.6) else color
    )
    _grip(parts, draw, back + 0.05, -tall / 2, color)
    _butt(parts, draw, back, 0.0, draw.between(0.2, 0.3), color)
    _sights(parts, draw, (front + back) / 2, tall / 2)
    if draw.chance(0.25):
        parts.add(rod((front + 0.04, -0.046, 0), (front + guard, -0.046, 0), 0.03), steel)  # grenade launcher


def _long_stock(parts: Parts, draw: Draw, color: Color, tip: float) -> None:
    """One piece of wood from the butt to under the barrel, up to x = `tip`."""
    tall, wrist = draw.between(0.1, 0.14), draw.between(0.05, 0.06)
    drop = draw.between(0.02, 0.06)
    upper = [
        (-0.5, 0.01 - drop),
        (-0.3, -drop * 0.4),
        (-0.2, -0.012),
        (-0.12, 0.02),
        (0.1, 0.02),
        (tip, 0.012),
    ]
    lower = [
        (-0.5, 0.01 - drop - tall),
        (-0.3, -drop - wrist * 1.4),
        (-0.2, -wrist - 0.03),
        (-0.12, -0.045),
        (0.1, -0.04),
        (tip, -0.03),
    ]
    parts.add(extrude(lower + upper[::-1], draw.between(0.045, 0.056)), color)


def bolt_action(draw: Draw, parts: Parts) -> None:
    """Hunting rifle: wooden stock, bolt handle, maybe a scope."""
    steel, color = dark(draw), wood(draw) if draw.chance(0.8) else dark(draw)
    tip = draw.between(0.08, 0.26)
    _long_stock(parts, draw, color, tip)
    parts.add(rod((-0.2, 0.025, 0), (0.02, 0.025, 0), 0.03), steel)
    _barrel(parts, draw, 0.0, draw.between(0.42, 0.52), 0.028, steel)
    bolt = draw.between(-0.16, -0.08)
    side = draw.pick((-1, 1))
    parts.add(tube([(bolt, 0.02, 0), (bolt - 0.01, 0.0, side * 0.07)], 0.023), metal(draw))
    parts.add(
        tube([(-0.15, -0.04, 0), (-0.13, -0.085, 0), (-0.06, -0.085, 0), (-0.04, -0.04, 0)], 0.02), steel
    )
    if draw.chance(0.6):
        _scope(parts, draw, draw.between(-0.12, -0.02), 0.05)
    if draw.chance(0.35):
        _magazine(parts, draw, 0.0, -0.045, steel)


def sniper(draw: Draw, parts: Parts) -> None:
    """Long barrel, big scope, bipod, adjustable stock."""
    steel, color = dark(draw), _furniture(draw)
    back, front = -0.2, draw.between(0.02, 0.08)
    parts.add(box((front - back, 0.06, FLAT), ((front + back) / 2, 0, 0)), steel)
    rail = draw.between(0.14, 0.24)
    parts.add(box((rail, 0.05, 0.05), (front + rail / 2 - 0.01, -0.012, 0), taper=(1, 0.8)), color)
    stop = draw.between(0.44, 0.54)
    _barrel(parts, draw, front, stop, 0.008, steel)
    _scope(parts, draw, draw.between(-0.1, -0.02), 0.03)
    _grip(parts, draw, back + 0.06, -0.03, color)
    if draw.chance(0.7):
        _magazine(parts, draw, -0.03, -0.03, steel)
    _butt(parts, draw, back, 0.0, draw.between(0.22, 0.29), color)
    if draw.chance(0.5):
        parts.add(box((0.12, 0.05, 0.042), (-0.36, 0.035, 0), bevel=0.01), darker(color))
    if draw.chance(0.8):
        _bipod(parts, draw, front + rail - 0.03, -0.02)


def shotgun(draw: Draw, parts: Parts) -> None:
    """Pump with a tube under the barrel, or a side-by-side / over-under double."""
    steel, color = dark(draw), wood(draw) if draw.chance(0.65) else dark(draw)
    stop = draw.between(0.36, 0.52)
    if draw.chance(0.6):
        parts.add(box((0.22, 0.075, 0.048), (-0.1, 0, 0), bevel=0.01), steel)
        parts.add(rod((-0.01, 0.018, 0), (stop, 0.018, 0), BARREL), steel)
        reach = stop - draw.between(0.02, 0.16)
        parts.add(rod((-0.01, -0.03, 0), (reach, -0.03, 0), BARREL), steel)
        pump = draw.between(0.05, 0.16)
        parts.add(
            rod((pump, -0.032, 0), (pump + draw.between(0.12, 0.18), -0.032, 0), 0.036, sides=10), color
        )
    else:
        parts.add(box((0.19, 0.07, 0.06), (-0.105, 0, 0), bevel=0.012), steel)
        if draw.chance(0.5):
            parts.pair(rod((-0.02, 0.012, 0.02), (stop, 0.012, 0.02), 0.021), steel)
        else:
            for y in (-0.012, 0.03):
                parts.add(rod((-0.02, y, 0), (stop, y, 0), BARREL), steel)
        fore = draw.between(0.14, 0.24)
        parts.add(box((fore, 0.04, 0.05), (fore / 2 - 0.02, -0.028, 0), bevel=0.01, taper=(0.95, 1)), color)
    parts.add(tube([(-0.17, -0.03, 0), (-0.15, -0.08, 0), (-0.08, -0.08, 0), (-0.06, -0.03, 0)], 0.02), steel)
    drop, tall = draw.between(0.03, 0.07), draw.between(0.1, 0.14)
    outline = [
        (-0.18, -0.035),
        (-0.18, 0.03),
        (-0.28, -0.005),
        (-0.5, 0.01 - drop),
        (-0.5, 0.01 - drop - tall),
        (-0.3, -0.075),
    ]
    outline = [outline[5], outline[0], outline[1], outline[2], outline[3], outline[4]]
    parts.add(extrude(outline, FLAT), color)
    if draw.chance(0.3):
        _grip(parts, draw, -0.2, -0.03, color)


def bullpup(draw: Draw, parts: Parts) -> None:
    """Magazine behind the grip, the body is the stock."""
    steel, color = dark(draw), draw.pick((dark, fabric, dark))(draw)
    tall, front = draw.between(0.09, 0.13), draw.between(0.12, 0.24)
    outline = [(-0.42, -tall), (-0.25, -tall * 0.7), (front - 0.1, -tall * 0.55), (front, -0.03)]
    outline += [(front, 0.035), (front - 0.1, 0.045), (-0.25, 0.045), (-0.42, 0.03)]
    parts.add(extrude(outline, draw.between(0.055, 0.068)), color)
    _barrel(parts, draw, front - 0.02, front + draw.between(0.12, 0.28), 0.005, steel)
    _magazine(parts, draw, draw.between(-0.26, -0.18), -tall * 0.6, steel)
    _grip(parts, draw, draw.between(-0.05, 0.02), -tall * 0.5, color)
    _sights(parts, draw, draw.between(-0.08, 0.04), 0.045)
    if draw.chance(0.4):
        _grip(parts, draw, front - 0.06, -0.035, darker(color))


def carbine(draw: Draw, parts: Parts) -> None:
    """Submachine gun: short, boxy or tubular, long magazine, folding stock."""
    steel = dark(draw) if draw.chance(0.7) else metal(draw)
    color = _furniture(draw)
    length = draw.between(0.3, 0.42)
    if draw.chance(0.5):
        parts.add(rod((-length / 2, 0, 0), (length / 2, 0, 0), draw.between(0.036, 0.046), sides=10), steel)
    else:
        parts.add(box((length, draw.between(0.075, 0.1), 0.058), bevel=0.01), steel)
    end = length / 2 + draw.between(0.1, 0.2)
    _barrel(parts, draw, length / 2 - 0.02, end, 0.0, steel)
    if draw.chance(0.4):
        shroud = end - 0.03
        parts.add(rod((length / 2 - 0.02, 0, 0), (shroud, 0, 0), 0.034, sides=10), darker(steel, 0.9))
    kind = draw.pick(("below", "drum", "side"))
    at = draw.between(0.02, length / 2 - 0.05)
    if kind == "below":
        parts.add(
            move(
                turn(box((0.046, draw.between(0.18, 0.26), 0.04), (0, -0.1, 0)), "z", draw.between(0, 10)),
                (at, -0.02, 0),
            ),
            steel,
        )
    elif kind == "drum":
        parts.add(rod((at, -0.1, -0.035), (at, -0.1, 0.035), 0.075, sides=14), steel)
        parts.add(box((0.05, 0.08, 0.045), (at, -0.05, 0)), steel)
    else:
        parts.add(box((0.046, 0.042, 0.2), (at, 0, draw.pick((-1, 1)) * 0.11)), steel)
    _grip(parts, draw, -length / 2 + draw.between(0.05, 0.12), -0.035, color)
    if draw.chance(0.3):
        _grip(parts, draw, length / 2 + 0.02, -0.02, color)
    if draw.chance(0.85):
        _butt(parts, draw, -length / 2, 0.0, draw.between(0.18, 0.28), color)
    _sights(parts, draw, 0.0, 0.04)


def musket(draw: Draw, parts: Parts) -> None:
    """Stock to the muzzle, lock on one side, maybe a bayonet or a lever."""
    steel, color = metal(draw), wood(draw)
    tip = draw.between(0.3, 0.42)
    _long_stock(parts, draw, color, tip)
    stop = tip + draw.between(0.04, 0.14)
    parts.add(rod((-0.16, 0.03, 0), (stop, 0.03, 0), BARREL), steel)
    side = draw.pick((-1, 1))
    parts.add(box((0.07, 0.04, 0.04), (-0.13, 0.02, side * 0.03)), steel)
    parts.add(turn(box((0.032, 0.07, 0.036), (-0.14, 0.06, side * 0.03)), "z", draw.between(-3, 3)), steel)
    if draw.chance(0.4):
        parts.add(box((0.2, 0.035, 0.034), (stop + 0.06, 0.012, 0), taper=(0.8, 1)), steel)
    for x in (tip * 0.4, tip * 0.85):
        parts.add(rod((x - 0.012, 0.008, 0), (x + 0.012, 0.008, 0), 0.045, sides=10), steel)
    if draw.chance(0.5):  # lever action
        path = [(-0.13, -0.04, 0), (-0.12, -0.1, 0), (-0.22, -0.13, 0), (-0.26, -0.07, 0)]
        parts.add(tube(path, 0.02), steel)


STYLES = {
    "assault": assault,
    "bolt_action": bolt_action,
    "sniper": sniper,
    "shotgun": shotgun,
    "bullpup": bullpup,
    "carbine": carbine,
    "musket": musket,
}
