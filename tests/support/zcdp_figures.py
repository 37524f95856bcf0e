"""What dp-accounting 0.6.0 says of rho-zCDP, computed by it on 2026-11-22 and kept, so that tests need not install it.

`rdp`: `RdpAccountant(orders)` over `ZCDpEvent(rho, 0.0)`, `get_epsilon(delta)`, with orders 1 + geomspace(1e-4, 1e5,
20000). It takes the best of these orders only, so the exact minimum over all is not above it.
`gaussian`: the privacy loss distribution of one discrete Gaussian mechanism of that rho (of the continuous one from
scale 60 on), `get_epsilon_for_delta(delta)`, discretised by 1e-4: what that mechanism truly costs. No conversion that
holds for all mechanisms of rho-zCDP can be below it.
"""

from __future__ import annotations

FIGURES = (  # rho, delta, rdp, gaussian
    ("0.0001", "1e-5", 0.04504746306387929, 0.039990690931698644),
    ("0.0001", "1e-10", 0.08014370009871052, 0.07597472231534454),
    ("0.001", "1e-5", 0.15733540294617276, 0.14169412308480225),
    ("0.005", "1e-7", 0.47888443608871767, 0.44703477361698873),
    ("0.02", "1e-5", 0.79431487674905, 0.7266426605810482),
    ("0.02", "1e-10", 1.239175880305873, 1.1786878073155587),
    ("0.125", "1e-5", 2.1657156618957054, 2.0113398213477054),
    ("0.125", "1e-7", 2.648961793615616, 2.5081415010922115),
    ("0.125", "1e-10", 3.2436131465892917, 3.1029403756375182),
    ("0.5", "1e-5", 4.728387113998577, 4.430238055279412),
    ("0.5", "1e-7", 5.670859399886792, 5.433244201437861),
    ("1", "1e-10", 10.034344222664542, 8.998530470411003),
    ("2", "1e-5", 10.724824985322929, 9.961411388026173),
    ("2", "1e-10", 14.870678008235998, 13.991618162252172),
    ("8", "1e-7", 29.546426556865413, 23.999701659740015),
    ("8", "1e-10", 34.090135103312335, 23.99999970174191),
)
