"""The page's one library is npm's own: `python -m tests.tools.vendor` fetches it again and says whether it differs.

`vendor.json` beside the files names the package, its version, npm's own checksum of the whole package (`integrity`) and
the sha256 of each file that is kept. With `--write`, files and checksums are replaced by those of the named version.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from include.klines.settings import ROOT

FOLDER = ROOT / "plugins/coverage_page/static/vendor"
RECORD = FOLDER / "vendor.json"


def kept() -> dict[str, Any]:
    """What vendor.json says."""
    record: dict[str, Any] = json.loads(RECORD.read_text())
    return record


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def shipped(record: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """npm's checksum of the package, and the files of it that are kept, as npm ships them now."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"{record['package']}@{record['version']}"
        packed = subprocess.run(["npm", "pack", "--json", name], cwd=folder, check=True, capture_output=True, text=True)
        archive = Path(folder) / json.loads(packed.stdout)[0]["filename"]
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        with tarfile.open(archive) as files:
            found = {name: files.extractfile(one["path"]) for name, one in record["files"].items()}
            return integrity, {name: file.read() for name, file in found.items() if file is not None}


def main(arguments: list[str]) -> int:
    record = kept()
    integrity, files = shipped(record)
    if "--write" in arguments:
        for name, content in files.items():
            (FOLDER / name).write_bytes(content)
            record["files"][name]["sha256"] = sha256(content)
        record["integrity"] = integrity
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
    different = [name for name, content in files.items() if (FOLDER / name).read_bytes() != content]
    if integrity != record["integrity"] or different:
        sys.stdout.write(f"{record['package']} {record['version']} differs from what npm ships: {different}\n")
        return 1
    sys.stdout.write(f"{record['package']} {record['version']} is what npm ships: {', '.join(files)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
