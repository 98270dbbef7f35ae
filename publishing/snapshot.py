"""A copy of the last commit as a repository of its own, whose history is that one commit."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from proseg.errors import InputError, OutputError, ProSegError

BRANCH = "main"


def make_snapshot(source: Path, target: Path, message: str) -> None:
    """Make ``target`` a git repository with the files of the last commit of ``source``, byte for byte.

    Args:
        source: the root of a git clone, in which everything is committed.
        target: does not exist yet; appears whole or not at all.
        message: of the one commit, whose author is whoever git says the caller is.

    Raises:
        InputError: there are changes that are not committed, which the copy would lack; or ``source`` is no clone.
        OutputError: ``target`` exists.
        ProSegError: git fails, for instance because it does not know the author.
    """
    if target.exists():
        raise OutputError(f"{target} exists already.", "Remove it, or name another folder with --out.")
    if not (source / ".git").exists():
        raise InputError(f"{source} is no git clone.", "Clone the repository; an unpacked archive has no commit.")
    changed = git(source, "status", "--porcelain").splitlines()
    if changed:
        raise InputError(
            f"{len(changed)} files are not committed ({changed[0][3:]}, …) and would be missing from the copy.",
            "Commit, stash or remove them first.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        copy = Path(folder).resolve() / target.name
        git(source, "checkout-index", "--all", f"--prefix={copy.as_posix()}/")
        git(copy, "init", "--quiet", f"--initial-branch={BRANCH}")
        git(copy, "add", "--all", "--force")  # also what .gitignore names, if it is in the source
        git(copy, "commit", "--quiet", "--no-verify", f"--message={message}")
        if git(copy, "rev-parse", "HEAD^{tree}") != git(source, "rev-parse", "HEAD^{tree}"):
            raise ProSegError("The copy differs from the last commit.", "Is a git filter or core.autocrlf at work?")
        copy.rename(target)


def clone(source: Path, target: Path) -> None:
    """Clone as the Extensions Index does: by git's transport, so that the history is packed anew."""
    git(source, "clone", "--quiet", source.resolve().as_uri(), str(target.resolve()))


def git(folder: Path, *arguments: str) -> str:
    """What a git command says in a folder.

    Raises:
        ProSegError: it fails, with git's own words.
    """
    ran = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ProSegError(f"git {arguments[0]} failed: {' '.join(ran.stderr.split())}")
    return ran.stdout.rstrip()
