"""What languages are called: in English, and by those who speak them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NAMES = """
ar Arabic العربية; bg Bulgarian български; bn Bengali বাংলা; ca Catalan català; cs Czech čeština český; da
Danish dansk; de German Deutsch; el Greek ελληνικά; en English; es Spanish español; et Estonian eesti; eu
Basque euskara; fa Persian فارسی; fi Finnish suomi suomeksi; fr French français; ga Irish gaeilge; gl Galician
galego; gu Gujarati ગુજરાતી; he Hebrew עברית; hi Hindi हिन्दी हिंदी; hr Croatian hrvatski; hu Hungarian
magyar; hy Armenian հայերեն; id Indonesian Indonesia; is Icelandic íslenska; it Italian italiano; ja Japanese
日本語; ka Georgian ქართული; kk Kazakh қазақ; km Khmer ខ្មែរ; kn Kannada ಕನ್ನಡ; ko Korean 한국어; lo Lao ລາວ; lt
Lithuanian lietuvių; lv Latvian latviešu; mk Macedonian македонски; ml Malayalam മലയാളം; mn Mongolian монгол;
mr Marathi मराठी; ms Malay Melayu; my Burmese မြန်မာ; ne Nepali नेपाली; nl Dutch Nederlands; no Norwegian
norsk; pa Punjabi ਪੰਜਾਬੀ; pl Polish polski polsku; pt Portuguese português; ro Romanian română; ru Russian
русский русском; sk Slovak slovenčina slovensky; sl Slovenian slovenščina; sq Albanian shqip; sr Serbian
српски srpski; sv Swedish svenska; sw Swahili kiswahili; ta Tamil தமிழ்; te Telugu తెలుగు; th Thai ไทย; tl
Tagalog Filipino; tr Turkish Türkçe; uk Ukrainian українська українською; ur Urdu اردو; uz Uzbek oʻzbek; vi
Vietnamese Việt; zh Chinese 中文 汉语 漢語
"""
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {code: tuple(names) for code, *names in (entry.split() for entry in _NAMES.split(";"))}
)
"""By ISO 639 code."""


def name_of_language(code: str) -> str:
    """In English; the code itself where it is not known."""
    return NAMES.get(code, (code,))[0]
