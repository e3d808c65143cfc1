from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.html_text import plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("  Enable it.  ", "Enable it."),
        ("1 &lt; 2 &amp; 3", "1 < 2 & 3"),
        ("<p>One</p><p>Two<br>Three</p>", "One\nTwo\nThree"),
        ("To fix:<ol><li>Open</li><li>Save</li></ol>Done", "To fix:\n1. Open\n2. Save\nDone"),
        ("<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n1. b\n- c"),
        ("<li>alone</li></ul>", "- alone"),
        ('see <a href="https://aka.ms/x">the docs</a>.', "see the docs (https://aka.ms/x)."),
        ("<a>no link</a></a>", "no link"),
        ("<b>many \t spaces</b>", "many spaces"),
        ("a < b", "a < b"),
        ("<!--[if mso]>old<![endif]-->new<![if !mso]> too<![endif]>", "new too"),
        ("one<![odd]>two", "onetwo"),
        ("one<?xml odd?>two<!-- never closed", "onetwo"),
        ("<p>one</p><style>p { x: y }</style><SCRIPT src='>'>1 < 2</Script >two<head>three", "one\ntwothree"),
        ("<a title='1 > 2' href=https://aka.ms/x>docs</a>", "docs (https://aka.ms/x)"),
        ("<a title='never closed>one<b>two", "onetwo"),
        ("<p never closed", ""),
        ("one&#" + "9" * 5000 + ";two", "one\ufffdtwo"),
        ("one<![", "one"),
    ],
)
def test_markup_becomes_lines(markup, text):
    """Blocks become lines, list items are marked, link targets stay."""
    assert plain_text(markup) == text


@given(st.text(alphabet="<>/&;ablihrefpo =\"'\n-![]"))
def test_no_markup_breaks_it(markup):
    """Broken markup gives some text and no empty line."""
    lines = plain_text(f"<p>{markup}").split("\n")
    assert lines == [""] or all(line.strip() for line in lines)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "attack", ["<!--", "<![", "<head ", "<a '", "<p>", "<", "&#9", "<li>", '<a href="', "</a ", "<a '>'"]
)
def test_time_grows_with_the_length_only(attack):
    """Eight times the text takes about eight times as long, whatever it repeats; quadratic would be 64 times."""

    def seconds(length: int) -> float:
        markup = attack * (length // len(attack))
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            plain_text(markup)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(240_000) < 30 * max(seconds(30_000), 0.001)
