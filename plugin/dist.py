"""A distribution that needs no pip (`make dist`): the plugin and both packages, with their licences, in one zip."""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATE = (2020, 1, 1, 0, 0, 0)  # the same bytes whenever and wherever it is made
MORE = (".claude-plugin/*.json", "README.md", "CHANGELOG.md", "docs/*.md", "SECURITY.md")


def main(arguments: list[str]) -> int:
    """Write the distribution into the folder named, else into dist/; 1 when the packages could not be fetched."""
    import json

    from install import bundle

    version = json.loads((ROOT / "plugin.json").read_text(encoding="utf-8"))["version"]
    target = Path(arguments[0] if arguments else ROOT / "dist") / f"circuit-breaker-{version}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    entries = bundle.contents(ROOT)
    for pattern in MORE:
        entries.update({path.relative_to(ROOT).as_posix(): path.read_bytes() for path in ROOT.glob(pattern)})
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "lock"
        lock.write_text(oldest(entries[bundle.LOCK].decode("utf-8")), encoding="utf-8")
        why = bundle.fetch(Path(folder), lock, seconds=120)
        if why:
            print(f"dist: the packages could not be fetched: {why}", file=sys.stderr)
            return 1
        entries.update(bundle.packages_below(Path(folder)))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(f"circuit-breaker-{version}/{name}", DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, entries[name])
    print(f"{target}: {len(entries)} files")
    return 0


def oldest(lock: str) -> str:
    """The pins of the lock that the oldest Python takes, for every Python: a distribution has one copy for all."""
    pins = re.findall(r'^(\S+) ; python_version < "3\.10"( \\\n .*)$', lock, re.M)
    return "".join(f"{pin}{hashes}\n" for pin, hashes in pins)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "lib"))
    sys.exit(main(sys.argv[1:]))
