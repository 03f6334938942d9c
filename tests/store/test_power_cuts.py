"""The power fails after any step, and the disk keeps of what was not yet forced onto it whatever it likes: nothing is lost.

A command is recorded once, every change of a file as a step. After each step the files are laid out as a disk may hold them:
all that was forced onto it, and of the rest nothing, half, zeros in its place, or all, names and contents in any order.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dropexp.store.folder import Store
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.checkpoint import INTERVAL
from dropexp.workflow.planning import Options
from dropexp.workflow.running import Listener, run

TEXT = """
data: {train_size: 60, val_size: 20, test_size: 40}
model: {hidden: [6]}
training: {epochs: 2}
seeds: 2
probes: [gradient_norms]
save_weights: KEPT
sweep: {dropout.rate: [0, 0.5]}
"""
CONTENTS = {  # what a disk may hold of a file, by what was forced onto it and what was written since
    "kept": lambda forced, written: written,
    "gone": lambda forced, written: forced,
    "half": lambda forced, written: forced + written[len(forced) : (len(forced) + len(written)) // 2],
    "zeros": lambda forced, written: forced + bytes(max(0, len(written) - len(forced))),
    "holed": lambda forced, written: forced + bytes(len(w := written[len(forced) :]) // 2) + w[len(w) // 2 :],
}
NAMES = {  # which changes of names that were not forced onto it a disk may have kept
    "all": lambda step, rng: True,
    "none": lambda step, rng: False,
    "new names": lambda step, rng: step[0] in ("create", "replace", "mkdir"),
    "removals": lambda step, rng: step[0] in ("unlink", "rmdir"),
    "some": lambda step, rng: rng.random() < 0.5,
}


class Platter:
    """What a disk may hold: contents by number and names, each as forced onto it and as written."""

    def __init__(self):
        self.forced, self.written = {}, {}
        self.names, self.pending = {}, []  # number by name, None for a folder; changes of names since

    def step(self, step):
        what, subject, *rest = step
        if what == "write":
            self.written[subject] += rest[0]
        elif what == "truncate":
            self.written[subject] = self.written[subject][: rest[0]]
        elif what == "fsync":
            self.forced[subject] = self.written[subject]
        elif what == "fsyncdir":
            now = [s for s in self.pending if str(Path(s[1]).parent) == subject]
            self.pending = [s for s in self.pending if s not in now]
            for change in now:
                rename(self.names, change)
        else:
            if what == "create":
                self.forced[rest[0]] = self.written[rest[0]] = b""
            self.pending.append(step)

    def left(self, root, content, names, rng):
        """Return what may be left: contents by name, None for a folder; what lies in a folder that is not there has gone."""
        held = dict(self.names)
        for change in self.pending:
            if names(change, rng):
                rename(held, change)
        found = {".": None}
        for name, number in sorted(held.items()):
            if os.path.relpath(Path(name).parent, root) in found:
                made = None if number is None else content(self.forced[number], self.written[number])
                found[os.path.relpath(name, root)] = made
        return found


def lay_out(left, place):
    """Write what is left into an empty folder."""
    shutil.rmtree(place, ignore_errors=True)
    for name, content in left.items():
        if content is None:
            (place / name).mkdir(exist_ok=True)
        else:
            (place / name).write_bytes(content)


def rename(names, change):
    what, name, *rest = change
    if what == "create":
        names[name] = rest[0]
    elif what == "mkdir":
        names[name] = None
    elif what == "replace":
        if name in names:  # a name that the disk never had cannot move
            names[rest[0]] = names.pop(name)
    else:
        names.pop(name, None)


def study(kept):
    return parse(read_text(TEXT.replace("KEPT", kept), "s.yaml"), name="s")


def train(results, kept, finished=lambda pack: None, heard=lambda *_: None):
    return run(study(kept), Options(results=results, pack=2, jobs=1), Listener(finished=finished, heard=heard))


@pytest.fixture(scope="module", params=["selected", pytest.param("all", marks=pytest.mark.slow)])
def recorded(request, tmp_path_factory, disk):
    """A command's steps, the folder that they are in, what it left there, and what the study keeps."""
    root = tmp_path_factory.mktemp("recorded")
    watched = disk(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INTERVAL, "0")
        watched.install(patch)
        train(root, request.param, finished=lambda pack: watched.log.append(("said", [r.run_id for r in pack])))
    assert sum(step[0] == "said" for step in watched.log) == 2
    return watched.log, root, request.param


def rows(store, run_ids):
    """By run the lines in the deterministic files, and the weights."""
    found = {run_id: [] for run_id in run_ids}
    for name in ("runs.csv", "epochs.csv", "probes.csv"):
        for line in store.lines(name):
            if (run_id := line.partition(",")[0]) in found:
                found[run_id].append(line)
    for path in sorted((store.folder / "weights").rglob("*.safetensors")):
        run_id = path.stem if path.parent.name == "weights" else path.parent.name
        if run_id in found:
            found[run_id].append(path.read_bytes())
    return found


def losses(log, root, kept, place, every=1, seed=0):
    """Yield what is wrong after cuts of the power: runs that were reported and are not done, or done and not whole."""
    rng, seen = random.Random(seed), set()
    whole = rows(Store(root / "s"), [r.run_id for r in study(kept).runs()])
    platter, said = Platter(), set()
    for at, step in enumerate(log):
        if step[0] == "said":
            said |= set(step[1])
            continue
        platter.step(step)
        if at % every:
            continue
        for names, changed in NAMES.items():
            for how, content in CONTENTS.items():
                left = platter.left(str(root), content, changed, rng)
                if (state := hash((frozenset(left.items()), frozenset(said)))) in seen:
                    continue
                seen.add(state)
                lay_out(left, place)
                store = Store(place / "s")
                done = store.done(["gradient_norms"], kept)
                where = f"step {at} ({step[0]}), contents {how}, names {names}"
                if not said <= done:
                    yield f"{where}: reported and lost: {sorted(said - done)}"
                found = rows(store, done)
                yield from (f"{where}: {run_id} is not whole" for run_id in done if found[run_id] != whole[run_id])
                if said and rng.random() < 0.02:
                    with Writer(store.folder):
                        pass
                    if Store(place / "s").done(["gradient_norms"], kept) != done:
                        yield f"{where}: lost on opening"
    assert len(seen) > 100


def test_no_cut_of_the_power_loses_a_run(recorded, tmp_path):
    log, root, kept = recorded
    assert list(losses(log, root, kept, tmp_path / "cut", every=4)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_cut_of_the_power_loses_a_run_at_any_step(seed, recorded, tmp_path):
    log, root, kept = recorded
    assert list(losses(log, root, kept, tmp_path / "cut", seed=seed)) == []


@pytest.mark.parametrize("name", ["epochs.csv", "runs.csv", ".safetensors", "folders"])
def test_without_one_force_the_cuts_find_losses(name, recorded, tmp_path):
    """The harness sees what 0.2.0 did: contents of one kind of file, or names, are never forced onto the disk."""
    log, root, kept = recorded
    files = {step[2]: step[1] for step in log if step[0] == "create"}
    left = [
        s
        for s in log
        if s[0] != ("fsyncdir" if name == "folders" else "fsync") or (name != "folders" and name not in files[s[1]])
    ]
    assert len(left) < len(log)
    assert next(losses(left, root, kept, tmp_path / "cut"), None)


@pytest.mark.slow
def test_what_a_cut_left_goes_on_to_the_same_files(recorded, tmp_path, study_files, monkeypatch):
    log, root, kept = recorded
    monkeypatch.setenv(INTERVAL, "0")
    rng, platter, whole = random.Random(0), Platter(), study_files(root / "s")
    tried = 0
    for at, step in enumerate(log):
        if step[0] == "said":
            continue
        platter.step(step)
        if rng.random() < 0.2:
            place = tmp_path / str(at)
            names, content = rng.choice(list(NAMES)), rng.choice(list(CONTENTS))
            lay_out(platter.left(str(root), CONTENTS[content], NAMES[names], rng), place)
            train(place, kept)
            found, left = study_files(place / "s")
            assert found == whole[0], f"step {at} ({step[0]}), contents {content}, names {names}"
            assert [name for name in left if name != "lost+found.csv"] == []
            tried += 1
    assert tried > 10


@pytest.mark.slow
def test_cuts_on_a_file_system_of_its_own(tmp_path):
    """An ext4 on a loop device, whose image is copied while a command writes: what the copy holds is what a cut leaves."""
    if os.name == "nt" or os.getuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("needs root and mkfs.ext4")
    image, mount = tmp_path / "image", tmp_path / "mount"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mount.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, mount], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a loop device")
    copies, heard = [], []
    try:

        def finished(pack):
            heard.extend(r.run_id for r in pack)
            copy = tmp_path / f"copy-{len(copies)}"
            shutil.copyfile(image, copy)
            copies.append((copy, list(heard)))

        train(mount, "selected", finished=finished)
    finally:
        subprocess.run(["umount", mount], check=True)
    assert len(copies) == 2
    for copy, said in copies:
        subprocess.run(["mount", "-o", "loop", copy, mount], check=True)
        try:
            assert set(said) <= Store(mount / "s").done(["gradient_norms"], "selected")
            assert all(
                (mount / "s" / name).stat().st_size > 0 for name in ("epochs.csv", "probes.csv", "provenance.csv")
            )
        finally:
            subprocess.run(["umount", mount], check=True)
