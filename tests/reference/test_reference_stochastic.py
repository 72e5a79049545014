"""The four stochastic rules by hand-written formulas, and the random bits behind them."""

from fractions import Fraction

import pytest

from lowbit import reference
from lowbit.errors import ArgumentError
from lowbit.formats import Stochastic, element
from lowbit.reference import philox4x32, random_bits

RULES = ("midpoint", "nearest_even", "nearest_odd", "biased")
E2M1 = element("e2m1")


def ups(y: Fraction, rule: str, bits: int, low: float) -> list[int]:
    """The random numbers with which y is rounded away from its lower neighbour, out of the interesting ones."""
    whole = 1 << bits
    chosen = range(whole) if bits <= 4 else [0, 1, 2, whole // 2 - 1, whole // 2, whole - 3, whole - 2, whole - 1]
    return [r for r in chosen if reference.round(y, E2M1, rule, bits=bits, random=r) != low]


def test_counts_at_multiples_of_the_resolution() -> None:
    """With d = k / 2^b every rule goes up for exactly k of the 2^b random numbers, the largest ones."""
    for bits in (1, 3, 4):
        whole = 1 << bits
        for k in range(whole):
            for rule in RULES:
                y = 2 + Fraction(k, whole)  # between 2 and 3
                assert ups(y, rule, bits, 2.0) == list(range(whole - k, whole)), (rule, bits, k)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_counts_half_way_between_multiples(bits: int) -> None:
    """d = (k + 1/2) / 2^b: midpoint goes up for k + 1, biased for k, nearest_* for the even or odd of k and k + 1."""
    whole = 1 << bits
    for k in range(whole):
        y = 4 + 2 * Fraction(2 * k + 1, 2 * whole)  # between 4 and 6
        even, odd = (k, k + 1) if k % 2 == 0 else (k + 1, k)
        counts = {rule: len(ups(y, rule, bits, 4.0)) for rule in RULES}
        assert counts == {"midpoint": k + 1, "nearest_even": even, "nearest_odd": odd, "biased": k}


@pytest.mark.parametrize("bits", [3, 8, 16, 32])
def test_tiny_distances(bits: int) -> None:
    """Below d = 2^-(b+1) nothing goes up; there midpoint and nearest_odd start, above it nearest_even too."""
    whole, little = 1 << bits, Fraction(1, 2**80)
    half_step = Fraction(1, 2 * whole)
    top = [whole - 1]
    for d, expected in (
        (half_step - little, {"midpoint": [], "nearest_even": [], "nearest_odd": [], "biased": []}),
        (half_step, {"midpoint": top, "nearest_even": [], "nearest_odd": top, "biased": []}),
        (half_step + little, {"midpoint": top, "nearest_even": top, "nearest_odd": top, "biased": []}),
        (2 * half_step - little, {"midpoint": top, "nearest_even": top, "nearest_odd": top, "biased": []}),
        (2 * half_step, dict.fromkeys(RULES, top)),
    ):
        assert {rule: ups(1 + d / 2, rule, bits, 1.0) for rule in RULES} == expected, d


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_large_distances(bits: int) -> None:
    """At d = 1 - 2^-(b+1) midpoint and nearest_even (2^b is even) always go up; the others not with r = 0."""
    whole = 1 << bits
    y = 3 + (1 - Fraction(1, 2 * whole))
    outcomes = {rule: reference.round(y, E2M1, rule, bits=bits, random=0) for rule in RULES}
    assert outcomes == {"midpoint": 4.0, "nearest_even": 4.0, "nearest_odd": 3.0, "biased": 3.0}


def test_values_of_the_grid_never_move_and_large_ones_saturate() -> None:
    for rule in RULES:
        for value in E2M1.values():
            assert reference.round(value, E2M1, rule, bits=8, random=255) == value
        assert reference.round(6.0001, E2M1, rule, bits=8, random=255) == 6.0
        assert reference.round(-1e30, E2M1, rule, bits=8, random=0) == -6.0
        e5m2 = element("e5m2")
        assert reference.round(65000.0, e5m2, rule, bits=8, random=255, overflow="inf_nan") == 57344.0


def test_up_is_away_from_zero_for_signs_and_upward_for_codebooks() -> None:
    assert reference.round(-2.5, E2M1, "midpoint", bits=8, random=255) == -3.0
    assert reference.round(-2.5, element("int4"), "midpoint", bits=8, random=255) == -3.0
    codebook = element("{-3,-2,0,1}")
    assert reference.round(-2.5, codebook, "midpoint", bits=8, random=255) == -2.0
    assert reference.round(-2.5, codebook, "midpoint", bits=8, random=0) == -3.0
    assert [reference.round(-2.25, codebook, "biased", bits=3, random=r) for r in (1, 2)] == [-3.0, -2.0]


def test_random_numbers_must_fit() -> None:
    for bits, random in ((8, 256), (8, -1), (8, None), (None, 3)):
        with pytest.raises(ArgumentError, match="0 <= random < 2"):
            reference.round(1.2, E2M1, "midpoint", bits=bits, random=random)
    with pytest.raises(ArgumentError, match="biased"):
        reference.round(1.2, E2M1, "toward_zero", bits=8, random=1)


def test_philox_known_answers() -> None:
    ones = 0xFFFFFFFF
    assert philox4x32((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox4x32((ones, ones, ones, ones), (ones, ones)) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    digits_of_pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox4x32(digits_of_pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


def test_which_bits_an_element_gets() -> None:
    """Contract §5: element n has lane n mod (128 / b) of the block with counter (n // (128 / b), stream, 0)."""
    words = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert tuple(random_bits(n, bits=32, seed=0) for n in range(4)) == words
    assert [random_bits(n, bits=16, seed=0) for n in range(4)] == [0xE8D5, 0x6627, 0xC58D, 0xE169]
    assert [random_bits(n, bits=8, seed=0) for n in (0, 1, 2, 3, 4, 15)] == [0xD5, 0xE8, 0x27, 0x66, 0x8D, 0x9B]
    assert random_bits(4, bits=32, seed=0) == philox4x32((1, 0, 0, 0), (0, 0))[0]
    assert random_bits(16, bits=8, seed=0) == philox4x32((1, 0, 0, 0), (0, 0))[0] & 0xFF
    far, seed = 2**40 + 5, 0x1234567_89ABCDEF
    expected = philox4x32((far // 4 & 0xFFFFFFFF, far // 4 >> 32, 9, 0), (0x89ABCDEF, 0x1234567))[far % 4]
    assert random_bits(far, bits=32, seed=seed, stream=9) == expected


def test_tensors_use_the_bits_of_the_row_major_index() -> None:
    x = [[0.3 * i + 0.11 * j for j in range(9)] for i in range(7)]
    plan = Stochastic(bits=8, rule="midpoint")  # pyright: ignore[reportArgumentType]
    fmt = "e2m1/tensor/f32"
    whole = reference.quantize(x, fmt, rounding=plan, seed=7, stream=3, tensor_amax=6.0)
    for i, row in enumerate(x):
        for j, number in enumerate(row):
            r = random_bits(9 * i + j, bits=8, seed=7, stream=3)
            assert whole.values[i][j] == reference.round(number, E2M1, "midpoint", bits=8, random=r)
    tail = reference.quantize(x[4:], fmt, rounding=plan, seed=7, stream=3, offset=36, tensor_amax=6.0)
    assert tail.codes == whole.codes[4:]
    assert reference.qdq(x, fmt, rounding="stochastic", seed=1) == reference.qdq(
        x, fmt, rounding=Stochastic(bits=32), seed=1
    )
    assert reference.qdq(x, fmt, rounding="stochastic", seed=1) != reference.qdq(x, fmt, rounding="stochastic", seed=2)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_codes_do_not_depend_on_the_axis(axis: int) -> None:
    """One static tensor scale and blocks whose scales all saturate alike: the codes are those of the flat tensor."""
    x = [[(1.0 + 0.01 * i) * (-1) ** j for j in range(16)] for i in range(16)]
    arguments = {"rounding": Stochastic(bits=16), "seed": 5, "tensor_scale": 2.0**-12}
    flat = reference.quantize([number for row in x for number in row], "nvfp4", **arguments)  # pyright: ignore[reportArgumentType]
    along = reference.quantize(x, "nvfp4", axis=axis, **arguments)  # pyright: ignore[reportArgumentType]
    assert [code for row in along.codes for code in row] == flat.codes


def test_seeds_are_checked() -> None:
    with pytest.raises(ArgumentError, match="seed"):
        reference.quantize([1.0], "mxfp4", rounding="stochastic")
    for seed in (-1, 2**64, 1.5, True):
        with pytest.raises(ArgumentError, match="seed"):
            reference.quantize([1.0], "mxfp4", rounding="stochastic", seed=seed)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="no effect"):
        reference.quantize([1.0], "mxfp4", seed=3)
    with pytest.raises(ArgumentError, match="offset"):
        reference.quantize([1.0], "mxfp4", rounding="stochastic", seed=3, offset=-1)
