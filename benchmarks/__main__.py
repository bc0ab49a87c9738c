"""`python -m benchmarks`: what can be measured here, and how."""

from __future__ import annotations

import ast
from pathlib import Path


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name.startswith("__"):
            continue
        about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[:1]
        print(f"python -m benchmarks.{path.stem:<14} {''.join(about)}")


if __name__ == "__main__":
    main()
