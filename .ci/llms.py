"""Write docs/llms.txt, the list of the pages for language models: each page of mkdocs.yml with its first sentence.

`make site` runs this, and tests/test_readme.py fails while the file does not name what the navigation has.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASE = "https://github.com/xoxo-async/xoxo_async/blob/main/docs"
ENTRY = re.compile(r"^( +)- (?:(.+?): ?)?(\S+\.md)?$", re.MULTILINE)


def text() -> str:
    """Return what the file has to say."""
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    lines = [
        "# xoxo_async",
        "",
        "> Asyncio client for the Xoxoday Plum Rewards API, and a bulk issuer that places each order at most once.",
        "> Python blocks run as they stand; where one uses `xoxo` and does not create it, `xoxo` is an open client.",
        "",
        "## Start",
        "",
    ]
    for indent, title, page in ENTRY.findall(nav):
        if not page:
            lines += ["", f"## {title}", ""]
            continue
        if len(indent) == 2 and lines[-1].startswith("- ") and "## Start" not in lines[-8:] and "## More" not in lines:
            lines += ["", "## More", ""]
        name = title or "xoxo_async"
        lines.append(f"- [{name}]({BASE}/{page}): {first_sentence(ROOT / 'docs' / page)}")
    return "\n".join(lines) + "\n"


def first_sentence(page: Path) -> str:
    """Return the first sentence below a page's title, without links."""
    _, _, below = f"\n{page.read_text()}".partition("\n# ")[2].partition("\n\n")
    body = re.sub(r"^(`{3,}).*?^\1 *$", "", below, flags=re.MULTILINE | re.DOTALL)
    prose = next((part for part in body.strip().split("\n\n") if not re.match(r"\s*[#|:<!-]", part)), "")
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", " ".join(prose.split()))
    return re.split(r"(?<=[.:?])\s", plain)[0].rstrip(":")


if __name__ == "__main__":
    (ROOT / "docs" / "llms.txt").write_text(text())
