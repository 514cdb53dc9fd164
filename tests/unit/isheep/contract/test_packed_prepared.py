"""The short form of what prepare finds."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from isheep.contract.packed_prepared import _DICTIONARY, FORMAT, MOST_BYTES, pack, unpack
from isheep.contract.prepared import Prepared

from .largest_results import largest_prepared

LARGEST = largest_prepared()
STORED = (
    "1:t(8k};xH72|4<h8^?M0J1e8EYNK5bz@@PzxPzae+oj*TzD~*cE0(H8wt}XdopWN@{&n?64Q!RVa7*i"
    "x_5(WFG9Cg#*=S4jojx$ONv|7&t-NjKxo5V~C1<G&RvSW2JITgwIrP`$On1^Pc=8+EdczkF=JvjM`NcL"
    "Sh>#E%`dVL;bYus!WJjlyRmxV5aTCPTM7Jh{*?DK})*NvGU^4QH#esWeWEgvTv19|rTdWYbl$&7P)TaE"
    "K3KYa|q%{&T*1m!<N<YxpgQtGBJD1;;oeV;|3j7a*G#gBat+v_RzFcnA;4;Wz}Y=w!kXH2*X2;mewED0"
    "g_Kj6I*?-#TJqgKgw#HeIejuK@T%0Vi-X-{n>-unYU64^Et7gBndW1*x6_6dNmWWu#y$b~Srj3}!?tR>"
    "C^dl9p*mJGND7zDNzP_CR6pcpt|=@x;(=@Z*Gd?RZ(r&MAN|1!fFAOL?#4k9pB<fpSEo|wl`u$&QO&JV"
    "hnMf+yBTEY(Q9;4?h8UhWrX{R$S-=;!pv*mBw?SotfRZzEKHDdD}P0E-1&7$0+v_78uJA_2wFMbW6dTq"
    "_I>x*@I+|PPt%9x#T-0JpeI_i>5S^8;r+vH0?RElfi^%t)@iu-E0yHpk;n7O`(oEIm7K>RFfId)e-tVN"
    "W4>q#L7aftOwb$vPw<ixXhhV*`lTpaS?X#78-YWKJZf?1UR$5@n8a7_$_S#9)IzO8axANLPk96Qa;Z$U"
    "*v%2Ux-y-I`24P<8~+U3~bfDoG~!zDgJt+{<LE5p74<?Xme6qZLLaJU~blQ@FL21ecvhYZ!!xO}0zF|x"
    "ChSsnuQfMtt9@`6my%_S+pu@PpgUB#5Bb5S#BmYlGkpu=YOG{G?BA<P~)Rp!@%TnAk>!H&thlnoqFpO)"
    "ju_5i+DqpMtZ-#-b3w662)kDU`kh6!Bo-7dy*+=bb%vx3g`$!Y!P=#3h09^?{LOX??BW*LndVP6`ehmn"
    "e#YDYBsa*h6_X!RCo9*aohuBvU?%PW=2IdS377qt!%T4*w(@Hi#^`|8|_hW%xIQtH?E5y(G^Hv(Cs2%>"
    "g|h&K"
)
"""What this version has written for `largest_prepared(1, benchmarks=1, judgements=0)`."""


def names_of(prepared: Prepared) -> dict[str, list[str]]:
    """Return the names in another order than that of the form."""
    return {
        "benchmarks": list(prepared.benchmarks)[::-1],
        "evaluation": list(prepared.evaluation or {})[::-1],
    }


@pytest.mark.parametrize(
    "prepared",
    [
        LARGEST,
        largest_prepared(memorization=True),
        largest_prepared(0, benchmarks=0, judgements=1),
        LARGEST.model_copy(update={"evaluation": None, "judge": None, "score_labels": None}),
    ],
    ids=["largest", "memorization", "one-judgement", "without-options"],
)
def test_the_form_contains_everything_but_the_names(prepared: Prepared) -> None:
    assert unpack(pack(prepared), names_of(prepared)) == prepared


def test_a_stored_text_of_the_first_version_can_be_read() -> None:
    prepared = largest_prepared(1, benchmarks=1, judgements=0)
    assert unpack(STORED, names_of(prepared)) == prepared


def test_the_form_has_no_character_that_json_escapes() -> None:
    text = pack(LARGEST)
    assert json.dumps(text) == f'"{text}"'


def test_names_of_another_spec_are_an_error() -> None:
    names = names_of(LARGEST)
    with pytest.raises(ValueError, match="has 12 benchmarks, and the spec has 11"):
        unpack(pack(LARGEST), {**names, "benchmarks": names["benchmarks"][1:]})


@pytest.mark.parametrize("change", [lambda t: "2:" + t[2:], lambda t: t[:40], lambda t: t[:-45]])
def test_another_form_or_a_cut_one_is_an_error(change: object) -> None:
    with pytest.raises(ValueError, match="the result of prepare"):
        unpack(change(pack(LARGEST)), names_of(LARGEST))  # type: ignore[operator]


def test_a_text_that_grows_without_end_is_refused() -> None:
    """A pod writes the text, and the operator must not fill its memory with it."""
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS, zdict=_DICTIONARY)
    content = compressor.compress(b'"' + b" " * 100 * MOST_BYTES + b'"') + compressor.flush()
    with pytest.raises(ValueError, match="too long"):
        unpack(FORMAT + base64.b85encode(content).decode(), {})
