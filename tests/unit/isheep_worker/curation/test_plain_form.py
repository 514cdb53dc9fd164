"""No invisible character and no other spelling hides a copy or an item of a benchmark."""

import re

import pytest

from isheep.contract.invisible_characters import INVISIBLE
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator

FRENCH = "Décris en détail la première fête de l'été à la campagne près d'ici"
ARABIC = "اشرح بكلمات بسيطة لماذا تبدو السماء زرقاء في النهار وسوداء في الليل دائما"
POINTED = "اِشْرَحْ بِكَلِمَاتٍ بَسِيطَةٍ لِمَاذَا تَبْدُو السَّمَاءُ زَرْقَاءَ فِي النَّهَارِ وَسَوْدَاءَ فِي اللَّيْلِ دَائِمًا"
ENGLISH = "Name three rivers in Asia and write one short sentence about each of the three"


def hidden(text: str, character: str) -> str:
    return character.join(text)


def decomposed(text: str) -> str:
    accents = {"é": "e\u0301", "è": "e\u0300", "ê": "e\u0302", "à": "a\u0300"}
    return "".join(accents.get(character, character) for character in text)


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


ALL_INVISIBLE = "".join(re.findall(f"[{INVISIBLE}]", "".join(map(chr, range(0x110000)))))

COPIES = [
    (ENGLISH, hidden(ENGLISH, "\u200b")),
    (ENGLISH, hidden(ENGLISH, "\u00ad")),
    (ENGLISH, hidden(ENGLISH, "\u2060\ufe0f")),
    (ENGLISH, hidden(ENGLISH, "\ufff9")),
    (ENGLISH, hidden(ENGLISH, ALL_INVISIBLE)),
    (ENGLISH, full_width(ENGLISH)),
    (FRENCH, decomposed(FRENCH)),
    (ARABIC, POINTED),
]


@pytest.mark.parametrize(
    ("text", "copy"),
    [*COPIES, *((b, a) for a, b in COPIES)],
    ids=[str(number) for number in range(2 * len(COPIES))],
)
def test_a_copy_is_found_in_the_pool_and_in_a_benchmark(text: str, copy: str) -> None:
    assert text != copy
    deduplicator = Deduplicator("0.7")
    deduplicator.extend_pool([text])
    duplicate = deduplicator.find(copy)
    assert duplicate is not None
    assert duplicate.score == 1
    decontaminator = Decontaminator()
    decontaminator.add_benchmark("benchmark", [text])
    assert decontaminator.match(copy) == "benchmark"
