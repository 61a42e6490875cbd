"""The currencies a sale may name: ISO 4217 codes, and those that have no minor unit at Dub."""

from __future__ import annotations

_ISO_4217 = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob bov brl bsd btn bwp byn bzd
    cad cdf che chf chw clf clp cny cop cou crc cuc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp gbp
    gel ghs gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils inr iqd irr isk jmd jod jpy kes kgs khr kmf kpw
    krw kwd kyd kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn mxv myr mzn nad
    ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sdg sek sgd shp sle
    sll sos srd ssp stn svc syp szl thb tjs tmt tnd top try ttd twd tzs uah ugx usd usn uyi uyu uyw uzs ved
    ves vnd vuv wst xaf xcd xcg xof xpf yer zar zmw zwg zwl
"""
_WHOLE_UNITS = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"

#: active national and supranational currency codes, in the lower case Dub stores
CURRENCIES = frozenset(_ISO_4217.split())

#: whole units are the amount: 500 jpy is ``amount=500`` (the list of Dub and Stripe)
ZERO_DECIMAL = frozenset(_WHOLE_UNITS.split())

#: currencies of ISO 4217 with three decimals
THREE_DECIMALS = frozenset({"bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"})


def minor_digits(currency: str) -> int:
    """Return how many of an amount's digits are behind the point, for a code in lower case."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMALS else 2


def in_major_units(amount: int, currency: str) -> float | int:
    """Return an amount of cents (whole yen, fils) as euros (yen, dinars)."""
    digits = minor_digits(currency)
    return amount / 10**digits if digits else amount
