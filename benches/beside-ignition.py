#!/usr/bin/python3
"""Times pilotlight's first boot beside Debian's Ignition: the same configs, in turn, on ext4 and in memory.

    benches/beside-ignition.py [--runs N] [--before PROGRAM] [CASE ...]

CASE is one of files, mode, users; without any, all. Needs root (a loop device and mounts), the package ignition, and
`make build`. PROGRAM is an earlier build of pilotlight-boot, measured as a third. The ext4 lies on a loop device whose
image is a file in $TMPDIR or /var/tmp: on a real disk, or the figures say nothing. Prints medians and their ratios;
peak memory is the largest of the stages', as getrusage(2) tells of a child (never less than this script's own).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
IGNITION = Path("/usr/lib/dracut/modules.d/30ignition/ignition")
OURS = HERE / "target/release/pilotlight-boot"
STAGES = ["fetch-offline", "files"]
USERS = 1000
# What both of them have to call for so many users, by itself.
TOOLS = f"for n in $(seq 0 {USERS - 1}); do useradd --root \"$1\" --create-home --password '*' --comment '' user$n || exit; done"


def config(case):
    storage, passwd = {}, {}
    if case == "files":
        text = "x" * 256
        storage["files"] = [
            {"path": f"/srv/{n // 100}/{n}", "mode": 420, "contents": {"source": f"data:,{n}{text}"[: 262 + len(str(n))]}}
            for n in range(10_000)
        ]
    if case == "mode":
        storage["files"] = [{"path": "/large", "mode": 384}]
    if case == "users":
        passwd["users"] = [{"name": f"user{n}", "sshAuthorizedKeys": [], "passwordHash": "*"} for n in range(USERS)]
    return {"ignition": {"version": "3.3.0"}, "storage": storage, "passwd": passwd}


def root_for(case, root):
    root.mkdir()
    subprocess.run(["sh", HERE / "tests/differential/base-root.sh", root], check=True)
    if case == "mode":
        with open(root / "large", "wb") as file:
            for _ in range(256):
                file.write(os.urandom(1 << 20))
    os.sync()


# Until a child has begun its program, the memory of its parent counts as its own (getrusage(2), ru_maxrss): so a
# small process starts what is measured.
STARTER = """
import os, sys, time
begun = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(time.monotonic() - begun, usage.ru_maxrss, status, file=sys.stderr)
"""


def measured(line, environment, said):
    """Seconds and peak memory in KiB of a program, which has to succeed."""
    starter = [sys.executable, "-I", "-S", "-c", STARTER]
    with open(said, "wb") as out:
        told = subprocess.run([*starter, *line], env=environment, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
    *words, last = told.stderr.splitlines()
    took, peak, status = last.split()
    if status != "0":
        sys.exit(f"{line} failed: {said.read_text(errors='replace')[-2000:]}{words}")
    return float(took), int(peak)


def first_boot(program, case, where):
    """Seconds of all stages and of the last one, and the peak memory in KiB."""
    work = Path(tempfile.mkdtemp(prefix="bench", dir="/run"))
    root = where / "root"
    try:
        root_for(case, root)
        if program == TOOLS:
            took, peak = measured(["/bin/sh", "-c", TOOLS, "sh", root], dict(os.environ), work / "said")
            return took, took, 0.0, peak
        (work / "config.ign").write_text(json.dumps(config(case)))
        (work / "ignition").symlink_to(program)
        # Ignition labels whatever root it finds; neither of the two has a policy to label by here.
        (work / "bin").mkdir()
        for stub in ["setfiles"]:
            (work / "bin" / stub).symlink_to("/bin/true")
        environment = dict(os.environ, IGNITION_CONFIG_FILE=str(work / "config.ign"))
        environment["PATH"] = f"{work / 'bin'}:{os.environ['PATH']}"
        for name in ["IGNITION_SYSTEM_CONFIG_DIR", "IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", "IGNITION_SYSTEM_LOCAL_CONFIG_DIR"]:
            environment[name] = str(work / "none")
        total, last, peak = 0.0, 0.0, 0
        for stage in STAGES:
            line = [
                work / "ignition", "-platform", "file", "-stage", stage, "-root", root, "-log-to-stdout",
                "-config-cache", work / "cache", "-neednet", work / "neednet", "-state-file", work / "state",
            ]
            stage_took, stage_peak = measured(line, environment, work / "said")
            last = stage_took
            total, peak = total + last, max(peak, stage_peak)
        # What a boot waits for before the marker goes.
        begun = time.monotonic()
        os.sync()
        return total, last, time.monotonic() - begun, peak
    finally:
        shutil.rmtree(work)
        shutil.rmtree(root)
        os.sync()


class Ext4:
    """A file system on a loop device, with its image on the disk."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="bench", dir=os.environ.get("TMPDIR", "/var/tmp")))

    def __enter__(self):
        image, at = self.directory / "image", self.directory / "at"
        at.mkdir()
        with open(image, "wb") as file:
            file.truncate(4 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, at], check=True)
        return at

    def __exit__(self, *_):
        subprocess.run(["umount", self.directory / "at"], check=True)
        shutil.rmtree(self.directory)


class Memory:
    """A tmpfs."""

    def __enter__(self):
        self.at = Path(tempfile.mkdtemp(prefix="bench", dir="/run"))
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.at], check=True)
        return self.at

    def __exit__(self, *_):
        subprocess.run(["umount", self.at], check=True)
        self.at.rmdir()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--before", type=Path)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    given = parser.parse_args()
    programs = {"ignition": IGNITION, "pilotlight": OURS}
    if given.before:
        programs["before"] = given.before.resolve()
    print(f"{'case':<8}{'on':<8}{'program':<12}{'all, s':>9}{'last, s':>9}{'sync, s':>9}{'peak, MiB':>11}{'all, ratio':>12}{'peak, ratio':>13}")
    for case in given.cases or ["files", "mode", "users"]:
        for name, place in [("ext4", Ext4), ("tmpfs", Memory)]:
            with place() as where:
                there = programs | ({"useradd": TOOLS} if case == "users" else {})
                figures = {program: [] for program in there}
                for run in range(given.runs):
                    order = list(there.items())
                    # Whoever comes second may find the disk busy with the first.
                    for program, path in order if run % 2 == 0 else reversed(order):
                        figures[program].append(first_boot(path, case, where))
                medians = {program: [statistics.median(column) for column in zip(*rows)] for program, rows in figures.items()}
                for program, (total, last, sync, peak) in medians.items():
                    beside = medians["ignition"]
                    print(
                        f"{case:<8}{name:<8}{program:<12}{total:>9.3f}{last:>9.3f}{sync:>9.3f}{peak / 1024:>11.1f}"
                        f"{total / beside[0]:>12.2f}{peak / beside[3]:>13.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
