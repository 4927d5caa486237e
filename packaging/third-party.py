#!/usr/bin/python3
"""Of what the programs are made beside our own code: each crate with its license's text, as the licenses ask for it.

    cargo metadata --format-version 1 --filter-platform TRIPLE | packaging/third-party.py >third-party.txt

A text that several crates share is printed once. A crate without a file of its license has the name of it.
"""

import json
import pathlib
import sys

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

# What is linked: neither tests nor what runs while the program is built.
waiting = [key for key, package in packages.items() if package["name"] in ("pilotlight", "pilotlight-boot")]
linked = set()
while waiting:
    key = waiting.pop()
    if key in linked:
        continue
    linked.add(key)
    for dependency in nodes[key]["deps"]:
        is_macro = any("proc-macro" in target["kind"] for target in packages[dependency["pkg"]]["targets"])
        if not is_macro and any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            waiting.append(dependency["pkg"])

texts = {}
print("What pilotlight is made of beside its own code: name, version, license.\n")
foreign = [packages[key] for key in linked if packages[key]["source"] is not None]
for package in sorted(foreign, key=lambda package: (package["name"], package["version"])):
    name = f'{package["name"]} {package["version"]}'
    print(f'{name}: {package["license"] or "see its text"}')
    directory = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(text, []).append(f"{name} ({path.name})")
for text, names in sorted(texts.items(), key=lambda item: item[1]):
    print("\n" + "=" * 78)
    print("\n".join(names))
    print("=" * 78 + "\n")
    print(text)
