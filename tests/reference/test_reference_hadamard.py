"""The oracle of rotations: its constant, its signs, its order of additions, each checked by other means."""

from fractions import Fraction
from math import copysign, inf, isnan

import numpy as np
import pytest

from lowbit import reference
from lowbit.errors import ShapeError
from lowbit.formats import Hadamard
from lowbit.reference.hadamard import inverse_root, signs_of

SIZES = (2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 128)


def float32_by_numpy(x: np.ndarray, t: Hadamard) -> np.ndarray:
    """A second implementation of contract §6 on whole arrays of float32, for one group a row."""
    y = x * np.array(signs_of(t), np.float32)
    y = y.reshape(len(x), t.base, t.power)
    stride = 1
    while stride < t.power:
        pairs = y.reshape(len(x), t.base, -1, 2, stride)
        y = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2)
        y = y.reshape(len(x), t.base, t.power)
        stride *= 2
    if t.base > 1:
        matrix = np.array(Hadamard(t.base).matrix(), np.float32)
        total = matrix[None, :, 0, None] * y[:, None, 0]
        for j in range(1, t.base):
            total = total + matrix[None, :, j, None] * y[:, None, j]
        y = total
    return y.reshape(len(x), t.n) * np.float32(inverse_root(t.n))


def test_the_constant_is_correctly_rounded() -> None:
    for n in range(2, 4097):
        c = np.float32(inverse_root(n))
        low, high = (Fraction(float(c)) + Fraction(float(np.nextafter(c, np.float32(side)))) for side in (0, 1))
        assert (low / 2) ** 2 * n < 1 < (high / 2) ** 2 * n


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("signs", [None, 5])
def test_order_of_additions(n: int, signs: int | None, rng: np.random.Generator) -> None:
    t = Hadamard(n, signs=signs)
    x = (rng.standard_normal((4, n)) * 2.0 ** rng.integers(-20, 20, (4, n))).astype(np.float32)
    expected = float32_by_numpy(x, t)
    assert np.array_equal(np.array(reference.rotate(x.tolist(), t)).astype(np.float32), expected)


@pytest.mark.parametrize("n", SIZES)
def test_rotation_is_the_matrix(n: int, rng: np.random.Generator) -> None:
    """Each of the k + base + 1 roundings on the way is at most 2^-24 of a sum that the 1-norm bounds."""
    t = Hadamard(n, signs=3)
    x = rng.standard_normal((3, n)).astype(np.float32)
    exact = (x * np.array(signs_of(t))) @ np.array(t.matrix(), np.float64).T / np.sqrt(n)
    steps = t.power.bit_length() + t.base + 1
    bound = steps * 2.0**-24 * np.abs(x).sum(1, keepdims=True) / np.sqrt(n) * 1.01
    assert (np.abs(np.array(reference.rotate(x.tolist(), t)) - exact) <= bound).all()
    back = (x @ np.array(t.matrix(), np.float64) / np.sqrt(n)) * np.array(signs_of(t))
    assert (np.abs(np.array(reference.unrotate(x.tolist(), t)) - back) <= bound).all()


def test_seeded_signs_are_philox_words() -> None:
    """Seed 0 and index 0..3: one counter block in stream 0xFFFF0001, one word an index, its bit 0 the sign."""
    for seed in (0, 7, 2**40 + 3):
        key = (seed & 0xFFFFFFFF, seed >> 32)
        words = [word for block in range(4) for word in reference.philox4x32((block, 0, 0xFFFF0001, 0), key)]
        assert signs_of(Hadamard(16, signs=seed)) == tuple(-1 if word & 1 else 1 for word in words)
    assert signs_of(Hadamard(8, signs=0))[:4] == signs_of(Hadamard(4, signs=0))


def test_signs_come_before_the_matrix() -> None:
    """Changing one sign changes magnitudes; signs behind the matrix would only flip outputs."""
    x = [1.0, 2.0, 4.0, 8.0]
    plain, turned = reference.rotate(x, Hadamard(4)), reference.rotate(x, Hadamard(4, signs=(1, 1, -1, 1)))
    assert plain == [7.5, -2.5, -4.5, 1.5] and turned == [3.5, -6.5, -0.5, 5.5]


def test_zeros_infinities_and_nan() -> None:
    assert [copysign(1, v) for v in reference.rotate([-0.0, -0.0], Hadamard(2))] == [-1, 1]
    assert [copysign(1, v) for v in reference.rotate([1.0, 1.0], Hadamard(2))] == [1, 1]
    up, down = reference.rotate([inf, 1.0], Hadamard(2))
    assert up == down == inf
    assert isnan(reference.rotate([inf, inf], Hadamard(2))[1]) and isnan(
        reference.rotate([float("nan"), 1], Hadamard(2))[0]
    )
    largest = (2 - 2.0**-23) * 2.0**127
    assert reference.rotate([largest, largest], Hadamard(2)) == [inf, 0.0]
    assert reference.rotate([2.0**-149, 0.0], Hadamard(2)) == [2.0**-149, 2.0**-149]


def test_axes_padding_and_length() -> None:
    x = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    t = Hadamard(2)
    assert reference.rotate(x, t)[0][2:] == reference.rotate([3.0, 0.0], t)
    assert [row[0] for row in reference.rotate(x, t, axis=0)] == reference.rotate([1.0, 4.0], t)
    assert len(reference.unrotate(reference.rotate(x, t), t, length=3)[0]) == 3
    assert reference.rotate([], t) == [] and reference.rotate([[], []], t) == [[], []]
    for length in (2, 5, -1):
        with pytest.raises(ShapeError):
            reference.unrotate([[0.0] * 4], t, length=length)
    with pytest.raises(ShapeError):
        reference.unrotate([0.0] * 3, t)
    with pytest.raises(ShapeError):
        reference.rotate(x, t, axis=2)
