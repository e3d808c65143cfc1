from __future__ import annotations

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
        ("one<![odd]>two", "one two"),
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
