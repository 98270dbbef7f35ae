"""The panel's one button: what it needs, its run and its progress, Cancel, and what there is to say afterwards."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from typing import Any, Protocol

import qt
import slicer
from slicer.i18n import tr as _

from proseg.errors import InputError, ProSegError
from proseg.outputs.review import ReviewStatus
from ProSegSlicerLib import dependencies, review
from ProSegSlicerLib.job import Job, JobState
from ProSegSlicerLib.qt_editor import keep_for_undo, undo_sentence
from ProSegSlicerLib.qt_look import Tone, busy, say
from ProSegSlicerLib.qt_questions import Asks, Rerun
from ProSegSlicerLib.refine_job import RefineJob
from ProSegSlicerLib.segments import OverlapError

POLL_MS = 50
LINE = 100  # characters of pip's that are shown while it works


class Phase(Enum):
    """What the button is for."""

    IDLE = "idle"
    INSTALLING = "installing"
    RUNNING = "running"


class StartsJobs(Protocol):
    """The part of the module's logic that a run needs."""

    def missing(self, volume: Any, segmentation: Any) -> list[str]:
        """What has to be there before the volume can be segmented into the segmentation, a sentence each."""

    def start(self, volume: Any, segmentation: Any, device: str) -> Job:
        """A job that is under way."""

    def start_refining(self, segmentation: Any, labels: Any, **given: Any) -> Job:
        """A job that is under way, of what ``RefineJob`` takes."""

    def log_tail(self) -> str:
        """The last that the worker said."""


class RunPart:
    """The button, the progress bar and the message below them.

    Args:
        ui: the panel's widgets by name.
        logic: starts jobs.
        questions: who is asked before something is installed or replaced.
        finished: called with a job that is done.

    Attributes:
        changed: called when a run begins or ends.
    """

    def __init__(self, ui: Any, logic: StartsJobs, questions: Asks, finished: Callable[[Job], None]) -> None:
        self.ui, self.logic, self.questions, self.finished = ui, logic, questions, finished
        self.phase, self.job = Phase.IDLE, None
        self.is_over = False
        self.changed: Callable[[], object] = lambda: None
        self._replaced: Any = None  # the segmentation in which a run replaces somebody's work
        self._changed = 0.0  # when the phase did: of ``time.monotonic``
        self.volume: Any = None
        self.segmentation: Any = None
        self.device = "auto"
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", lambda: self._look())
        self.double_click_s = slicer.app.doubleClickInterval / 1000
        ui.segmentButton.connect("clicked(bool)", lambda: self.click())
        ui.detailsButton.connect("toggled(bool)", lambda shown: ui.detailsText.setVisible(shown))
        self.tell("")
        self.update()

    def aim(self, volume: Any, segmentation: Any, device: str) -> None:
        """Say what the next click segments, into what (None: a new segmentation), and on which device."""
        is_gone = self.segmentation not in (None, segmentation)
        if (volume is not self.volume or is_gone) and self.phase is Phase.IDLE:
            self.tell("")  # it was about another volume, or about contours that were deleted
        self.volume, self.segmentation, self.device = volume, segmentation, device
        self.update()

    def click(self) -> None:
        """Segment; or cancel, while it runs."""
        if time.monotonic() - self._changed < self.double_click_s:
            return  # the second half of a double click, meant for what the button was before
        if self.phase is Phase.RUNNING:
            self.cancel()
        elif self.phase is Phase.IDLE and self._is_ready():
            self.tell("")
            with _Guard(self):
                # Asked twice: Slicer goes on while packages are installed, and the scene may be another one then.
                if self._has_packages() and self._is_ready() and (target := self._target()) is not Rerun.CANCEL:
                    self._start(lambda: self.logic.start(self.volume, target, self.device))

    def begin(self, start: Callable[[], Job]) -> None:
        """Start another part's job, shown and cancelled as one's own; nothing while one is under way."""
        if self.phase is Phase.IDLE:
            self.tell("")
            self._replaced = None
            with _Guard(self):
                if self._has_packages():
                    self._start(start)

    def cancel(self) -> None:
        """Stop the run, if there is one; its worker is killed."""
        if self.phase is Phase.RUNNING:
            self.job.cancel()
            self._look()

    def stop(self) -> None:
        """The panel goes, in the middle of an installation too: stop the run, and touch no widget any more."""
        self.cancel()
        self.is_over = True

    def tell(self, text: str, tone: Tone = Tone.INFO, details: str = "", why: str = "") -> None:
        """Say something below the button, with the end of a log to open and a reason to hover over; "" says nothing."""
        ui = self.ui
        say(ui.messageLabel, ui.messageIcon, text, tone)
        ui.messageLabel.toolTip = why or _("What happened, and what to do next.")
        ui.messageWidget.setVisible(bool(text))
        ui.detailsText.setPlainText(details)
        ui.detailsButton.setVisible(bool(details))
        ui.detailsButton.checked = False
        ui.detailsText.setVisible(False)

    def update(self) -> None:
        """Bring the button and the progress bar up to date."""
        if self.is_over:
            return
        button, bar = self.ui.segmentButton, self.ui.progressBar
        missing = self.logic.missing(self.volume, self.segmentation) if self.phase is Phase.IDLE else []
        if self.phase is Phase.RUNNING:
            button.text = _("Cancel")
            button.toolTip = _("Stop now. Nothing in the scene is changed.")
            bar.value = round(100 * self.job.fraction)
            bar.format = f"{self.job.stage} (%p%)"
        else:
            button.text = _("Segment Prostate")
            button.toolTip = "\n".join(missing) or _("Draw the peripheral zone and the central gland.")
        if self.phase is Phase.INSTALLING:
            button.toolTip = _("PyTorch is being installed; this takes a few minutes.")
        button.enabled = self.phase is not Phase.INSTALLING and not missing
        bar.setVisible(self.phase is Phase.RUNNING)

    def _is_ready(self) -> bool:
        return not self.logic.missing(self.volume, self.segmentation)

    def _has_packages(self) -> bool:
        """Whether all packages are there, now or after asking and installing."""
        need = dependencies.needed()
        if need is None:
            return True
        if need.obstacle:
            self.tell(need.obstacle, Tone.WARNING)
            return False
        if not self.questions.install(need.sentence):
            self.tell(_("Nothing was installed. PyTorch is needed: click Segment Prostate to be asked again."))
            return False
        self._enter(Phase.INSTALLING)
        self._tell_progress("")
        self.update()
        slicer.app.processEvents()  # pip holds the main thread: show this before
        try:
            dependencies.install(need, self._tell_progress)
        except ProSegError as error:
            if not self.is_over:
                self.tell(str(error), Tone.ERROR, getattr(error, "log", ""))
            return False
        finally:
            self._enter(Phase.IDLE)
        if self.is_over:
            return False
        self.tell("")
        return True

    def _tell_progress(self, line: str) -> None:
        """Say how the installation goes; drawn at once, since pip holds the main thread."""
        if not self.is_over:
            self.tell(f"{_('Installing PyTorch; this takes a few minutes.')}\n{line[:LINE]}".strip())
            self.ui.messageLabel.repaint()

    def _target(self) -> Any:
        """The segmentation to write to, or None for a new one, after asking where somebody's work would be lost."""
        why = _work_in(self.segmentation) if self.segmentation is not None else ""
        self._replaced = None
        if not why:
            return self.segmentation
        answer = self.questions.rerun(self.segmentation.GetName(), why)
        if answer is Rerun.REPLACE:
            self._replaced = self.segmentation
        return {Rerun.REPLACE: self.segmentation, Rerun.KEEP: None, Rerun.CANCEL: Rerun.CANCEL}[answer]

    def _start(self, start: Callable[[], Job]) -> None:
        with busy(self.ui.segmentButton):
            self.job = start()
        self._enter(Phase.RUNNING)
        self._timer.start()

    def _look(self) -> None:
        """See how the job is doing: at each tick of the timer."""
        with _Guard(self), ExitStack() as until_shown:
            self.job.came = lambda: self._wait_for_scene(until_shown)
            if self.job.poll():
                return
            self._end()
            if self.job.state is JobState.DONE:
                self.finished(self.job)
                self.tell(*_how_it_went(self.job, can_undo=self.job.segmentation is self._replaced))
            elif self.job.state is JobState.CANCELLED:
                self.tell(self.job.message)
            else:
                self.tell(self.job.message, Tone.ERROR, self.logic.log_tail())

    def _wait_for_scene(self, until_shown: ExitStack) -> None:
        self.update()
        until_shown.enter_context(busy(self.ui.progressBar))
        if self._replaced is not None and not keep_for_undo(self._replaced):
            self._replaced = None

    def _end(self) -> None:
        self._timer.stop()
        self._enter(Phase.IDLE)

    def _enter(self, phase: Phase) -> None:
        self.phase, self._changed = phase, time.monotonic()
        self.changed()


class _Guard:
    """Whatever goes wrong becomes a message, the button is ready again, and the panel is up to date."""

    def __init__(self, run: RunPart) -> None:
        self.run = run

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, ProSegError):
            self.run.tell(str(error), Tone.ERROR)
        elif isinstance(error, Exception):
            logging.error("ProSegSlicer failed", exc_info=(kind, error, trace))
            text = _("Something unforeseen went wrong: {error}. Try again; if it stays, report it with the details.")
            details = "\n".join([*traceback.format_exception(kind, error, trace), self.run.logic.log_tail()])
            self.run.tell(text.format(error=error), Tone.ERROR, details)
        if error is not None and self.run.phase is Phase.RUNNING:
            self.run.job.cancel()
            self.run._end()
        self.run.update()
        return isinstance(error, Exception)


def _work_in(segmentation: Any) -> str:
    """What somebody did to the contours, a sentence; empty if segmenting again loses nothing."""
    try:
        if review.review(segmentation)[0] is ReviewStatus.REVIEWED:
            return _("The contours are signed off.")
        if review.edited(segmentation):
            compared = review.comparison(segmentation)
            return compared.sentence() if compared else _("It holds contours that are not the AI's.")
    except OverlapError as error:
        return error.sentence
    except InputError:  # it never held zones
        pass
    return ""


def _how_it_went(job: Job, can_undo: bool) -> tuple[str, Tone, str, str]:
    """What ``tell`` says: how long the run took and on what, whatever else the job has to say, why on that device."""
    provenance = job.provenance
    device = {"cpu": _("the CPU"), "cuda": _("the GPU"), "mps": _("the GPU")}.get(provenance["device"])
    done = _("Refined") if isinstance(job, RefineJob) else _("Segmented")
    text = _("{message} {done} “{name}” on {device} in {seconds:.1f} s.").format(
        message=job.message,
        done=done,
        name=job.volume.GetName(),
        device=device or provenance["device"],
        seconds=job.seconds,
    )
    if can_undo:
        text = f"{text} {undo_sentence()}"
    return text.strip(), Tone.WARNING if job.message else Tone.GOOD, "", provenance["device_reason"]
