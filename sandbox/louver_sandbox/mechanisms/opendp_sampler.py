"""OpenDP's exact samplers, over OpenSSL's generator seeded by the operating system: the platform has no others."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from types import ModuleType
from typing import Any

from louver_sandbox.privacy.refused import PrivacyRefused, Reason


class OpenDpSampler:
    """Noise by `make_laplace` and `make_gaussian` of OpenDP over vectors of integers.

    OpenDP takes a scale as a double and computes with exactly that rational number (Canonne, Kamath and Steinke
    2020). One call costs half a millisecond and each draw some hundredths, so draws are asked for together.

    Raises:
        PrivacyRefused: SAMPLER_MISSING: the extra `louver[dp]` is not installed.
    """

    def __init__(self) -> None:
        self._dp, self._measurements = _imported()

    def discrete_laplace(self, scale: Fraction, draws: int) -> Sequence[int]:
        metric = self._dp.l1_distance(T="i64")
        return self._noise(self._measurements.make_laplace, metric, scale, draws)

    def discrete_gaussian(self, scale: Fraction, draws: int) -> Sequence[int]:
        metric = self._dp.l2_distance(T="f64")
        return self._noise(self._measurements.make_gaussian, metric, scale, draws)

    def _noise(self, make: Any, metric: Any, scale: Fraction, draws: int) -> Sequence[int]:
        if draws == 0:
            return ()
        if Fraction(float(scale)) != scale:
            raise PrivacyRefused(
                Reason.SCALE_OUT_OF_RANGE, "a double cannot hold the scale", "双精度数无法精确表示该噪声尺度"
            )
        vectors = self._dp.vector_domain(self._dp.atom_domain(T="i64"))
        return tuple(make(vectors, metric, float(scale))([0] * draws))


def _imported() -> tuple[ModuleType, ModuleType]:
    try:
        import opendp.measurements
        import opendp.prelude
    except ImportError as missing:
        raise PrivacyRefused(
            Reason.SAMPLER_MISSING,
            "differential privacy needs the extra louver[dp] (OpenDP)",
            "差分隐私需要安装附加组件 louver[dp]（OpenDP）",
        ) from missing
    opendp.prelude.enable_features("contrib")  # which these two mechanisms are part of; their proofs are published
    return opendp.prelude, opendp.measurements
