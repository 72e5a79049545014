"""The oracle against other implementations of single elements: casts of ml_dtypes and numpy, decoding of gfloat."""

from math import copysign, isnan

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from lowbit import reference
from lowbit.formats import FloatElement, element

DTYPES = {
    "e2m1": (ml_dtypes.float4_e2m1fn, "saturate"),
    "e2m3": (ml_dtypes.float6_e2m3fn, "saturate"),
    "e3m2": (ml_dtypes.float6_e3m2fn, "saturate"),
    "e4m3": (ml_dtypes.float8_e4m3fn, "inf_nan"),
    "e5m2": (ml_dtypes.float8_e5m2, "inf_nan"),
    "e4m3fnuz": (ml_dtypes.float8_e4m3fnuz, "inf_nan"),
    "e5m2fnuz": (ml_dtypes.float8_e5m2fnuz, "inf_nan"),
    "e4m3b11fnuz": (ml_dtypes.float8_e4m3b11fnuz, "inf_nan"),
    "e3m4": (ml_dtypes.float8_e3m4, "inf_nan"),
    "e4m3ieee": (ml_dtypes.float8_e4m3, "inf_nan"),
    "bf16": (ml_dtypes.bfloat16, "inf_nan"),
    "fp16": (np.float16, "inf_nan"),
}
GFLOAT = {
    "e2m1": gfloat.formats.format_info_ocp_e2m1,
    "e2m3": gfloat.formats.format_info_ocp_e2m3,
    "e3m2": gfloat.formats.format_info_ocp_e3m2,
    "e4m3": gfloat.formats.format_info_ocp_e4m3,
    "e5m2": gfloat.formats.format_info_ocp_e5m2,
    "e8m0": gfloat.formats.format_info_ocp_e8m0,
    "binary8p3": gfloat.formats.format_info_p3109(8, 3),
    "binary8p4": gfloat.formats.format_info_p3109(8, 4),
    "binary8p5": gfloat.formats.format_info_p3109(8, 5),
    "int8f6asym": gfloat.formats.format_info_ocp_int8,
}


def numbers_for(e: FloatElement) -> np.ndarray:
    """Values of the element (a sample of wide ones), midpoints, their neighbours, random and extreme numbers."""
    rng = np.random.default_rng(3)
    values = np.array(e.values())
    middles = (values[1:] + values[:-1]) / 2
    beyond = np.array([e.max * factor for factor in (1.01, 1.03125, 1.0625, 1.07, 1.25, 2.0, 1e3)])
    chosen = np.concatenate([values, middles, beyond, -beyond])
    if len(chosen) > 1500:
        chosen = np.concatenate([rng.choice(chosen, 1500), beyond, -beyond])
    with np.errstate(over="ignore"):
        exact = chosen.astype(np.float32)
    random = rng.integers(0, 2**32, 500, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = (rng.standard_normal(500) * e.max / 4).astype(np.float32)
    extreme = np.array([0.0, -0.0, 1e-45, -1e-45, 3.4e38, np.inf, -np.inf, np.nan], np.float32)
    return np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf), random, near, extreme])


@pytest.mark.parametrize("name", DTYPES)
def test_casts_equal_those_of_ml_dtypes(name: str) -> None:
    e, (dtype, overflow) = element(name), DTYPES[name]
    assert isinstance(e, FloatElement)
    x = numbers_for(e)
    if not e.has_nan:
        x = x[~np.isnan(x)]
    with np.errstate(all="ignore"):
        expected = x.astype(dtype).astype(np.float64)
    for number, wanted in zip(x.tolist(), expected.tolist(), strict=True):
        got = reference.round(number, e, overflow=overflow)
        assert got == wanted or (isnan(got) and isnan(wanted)), number
        assert isnan(wanted) or copysign(1.0, got) == copysign(1.0, wanted), number


@pytest.mark.parametrize("name", DTYPES)
def test_every_code_decodes_as_in_ml_dtypes(name: str) -> None:
    e, dtype = element(name), DTYPES[name][0]
    storage = np.uint8 if e.bits <= 8 else np.uint16
    with np.errstate(invalid="ignore"):
        expected = np.arange(1 << e.bits, dtype=storage).view(dtype).astype(np.float64).tolist()
    for code, wanted in enumerate(expected):
        got = e.decode(code)
        assert got == wanted or (isnan(got) and isnan(wanted)), code
        assert isnan(wanted) or copysign(1.0, got) == copysign(1.0, wanted), code


@pytest.mark.parametrize("name", GFLOAT)
def test_every_code_decodes_as_in_gfloat(name: str) -> None:
    e, info = element(name), GFLOAT[name]
    assert info.bits == e.bits
    for code in range(1 << e.bits):
        got, wanted = e.decode(code), gfloat.decode_float(info, code).fval
        assert got == wanted or (isnan(got) and isnan(wanted)), code
        assert isnan(wanted) or copysign(1.0, got) == copysign(1.0, wanted), code


@pytest.mark.parametrize(
    "name", ["binary3p2se", "binary5p2sf", "binary8p1se", "binary8p5sf", "binary8p3se", "binary10p4se"]
)
def test_p3109_rounds_as_in_gfloat(name: str) -> None:
    """Saturating, ties to the even code; gfloat keeps an infinity apart only where it does not saturate."""
    e = element(name)
    assert isinstance(e, FloatElement)
    domain = gfloat.types.Domain.Extended if name.endswith("e") else gfloat.types.Domain.Finite
    info = gfloat.formats.format_info_p3109(e.bits, e.mantissa_bits + 1, domain=domain)
    for number in numbers_for(e).tolist():
        got, wanted = reference.round(number, e), gfloat.round_float(info, number, sat=True)
        assert got == wanted or (isnan(got) and isnan(wanted)), number
