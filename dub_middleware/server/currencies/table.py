"""The rates that come with the package: what one euro was worth on one day.

Euro foreign exchange reference rates of the European Central Bank, free to reuse with their source named:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

DATE = "2026-10-30"

PER_EURO = """
    usd 1.1172  jpy 175.68  czk 24.353  dkk 7.4735  gbp 0.8338  huf 366.33  pln 4.4038  ron 5.3447
    sek 10.978  chf 0.9194  isk 136.00  nok 10.312  try 55.8015  aud 1.5904  brl 6.0692  cad 1.5606
    cny 7.4326  hkd 8.7652  idr 20275.17  ils 3.4950  inr 106.084  krw 1491.76  mxn 21.1237  myr 4.5325
    nzd 1.9823  php 71.143  sgd 1.4282  thb 37.683  zar 18.6455  bgn 1.9558
"""
