"""The panel's review: edit, compare with the AI, restore its result, sign off; and what became of the sign-off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from proseg.errors import InputError, ProSegError
from proseg.outputs.review import ReviewStatus, sign_off
from ProSegSlicerLib import review
from ProSegSlicerLib.qt_editor import keep_for_undo, open_segment_editor, undo_sentence
from ProSegSlicerLib.qt_look import Tone, busy, say
from ProSegSlicerLib.qt_questions import Asks
from ProSegSlicerLib.segments import OverlapError

TONE = {
    ReviewStatus.UNREVIEWED: Tone.INFO,
    ReviewStatus.REVIEWED: Tone.GOOD,
    ReviewStatus.WITHDRAWN: Tone.WARNING,
}


class ReviewPart:
    """Fills the section "Review".

    Args:
        ui: the panel's widgets by name.
        questions: who is asked before edits are given up.
        named: called with the reviewer's name once it is typed or signed with.
        restored: called when the AI's contours are back, so that what was said of others is of the past.
    """

    def __init__(self, ui: Any, questions: Asks, named: Callable[[str], None], restored: Callable[[], None]) -> None:
        self.ui, self.questions, self.named, self.restored = ui, questions, named, restored
        self.segmentation: Any = None
        self._undo = ""  # how to take back that the AI's contours were restored
        self._unfit = ""  # why nobody can sign the contours as they are
        ui.editButton.connect("clicked(bool)", lambda: open_segment_editor(self.segmentation))
        ui.compareButton.connect("clicked(bool)", lambda: self.compare())
        ui.restoreButton.connect("clicked(bool)", lambda: self.restore())
        ui.reviewedButton.connect("clicked(bool)", lambda: self.sign())
        ui.reviewerEdit.connect("textChanged(QString)", lambda: self._update_buttons())
        # Not bound to the parameter node, which would write the text back, and move the cursor, at every key.
        ui.reviewerEdit.connect("editingFinished()", lambda: named(ui.reviewerEdit.text.strip()))
        self.show(None)

    def show(self, segmentation: Any) -> None:
        """Show a segmentation's review as it is now; None for none."""
        if segmentation is not self.segmentation:
            self._compared("")
            self._undo = ""
        self.segmentation = segmentation
        self._unfit = review.unfit(segmentation) if segmentation is not None else ""
        self._update_buttons()
        self._update_status()
        if self.ui.comparisonLabel.text:
            self.compare()

    def compare(self) -> None:
        """Say how far the contours are from the AI's."""
        try:
            with busy():
                compared = review.comparison(self.segmentation)
        except ProSegError as error:
            return self._compared(str(error))
        if compared is None:
            return self._compared(_("There is no AI result to compare with."))
        self._compared(compared.sentence() if compared.changed else f"{compared.sentence()} {self._undo}".strip())

    def restore(self) -> None:
        """Bring the AI's contours back, after asking where edits would be lost."""
        try:
            edits = self._edits()
            if edits and not self.questions.restore(edits):
                return
            self._compared(_("Restoring the AI result …"))
            with busy(self.ui.comparisonLabel):
                can_undo = keep_for_undo(self.segmentation)
                review.restore_ai(self.segmentation)
        except ProSegError as error:
            return self._compared(str(error))
        self._undo = undo_sentence() if edits and can_undo else ""
        self.restored()
        self.show(self.segmentation)

    def sign(self) -> None:
        """Sign the contours off as they are now."""
        say(self.ui.statusLabel, self.ui.statusIcon, _("Signing …"), Tone.INFO)
        try:
            with busy(self.ui.statusLabel):
                self.named(self.ui.reviewerEdit.text.strip())  # a click need not take the focus from the name
                review.sign_off(self.segmentation, self.ui.reviewerEdit.text)
                self.show(self.segmentation)
        except ProSegError as error:
            say(self.ui.statusLabel, self.ui.statusIcon, str(error), Tone.ERROR)

    def _edits(self) -> str:
        """What restoring would lose, a sentence; empty if nothing."""
        try:
            with busy():
                compared = review.comparison(self.segmentation)
        except OverlapError as error:
            return error.sentence
        return compared.sentence() if compared and compared.changed else ""

    def _compared(self, sentence: str) -> None:
        self.ui.comparisonLabel.text = sentence
        self.ui.comparisonLabel.setVisible(bool(sentence))

    def _update_buttons(self) -> None:
        ui, segmentation = self.ui, self.segmentation
        no_result = "" if segmentation is not None else _("There is no segmentation yet.")
        no_ai = no_result or ("" if review.ai_report(segmentation) else _("This segmentation holds no AI result."))
        unsigned = (
            no_result or self._unfit or ("" if ui.reviewerEdit.text.strip() else _("Enter the reviewer's name first."))
        )
        for button, missing, tip in (
            (ui.editButton, no_result, _("Open Slicer's Segment Editor on these contours; PZ and CG stay disjoint.")),
            (ui.compareButton, no_ai, _("Dice, change of volume and slices changed, against what the AI drew.")),
            (ui.restoreButton, no_ai, _("Bring back what the AI drew; asks before edits are lost.")),
            (ui.reviewedButton, unsigned, _("Sign off the contours as they are now. Any later edit withdraws it.")),
        ):
            button.enabled = not missing
            button.toolTip = missing or tip

    def _update_status(self) -> None:
        text, tone = "", Tone.PLAIN
        if self.segmentation is not None:
            try:
                status, signed = review.review(self.segmentation)
                review.correct_tags(self.segmentation, status)
            except InputError as error:
                text, tone = str(error), Tone.WARNING
            else:
                now = signed.fingerprint if signed and status is ReviewStatus.REVIEWED else ""
                text, tone = sign_off(signed, now), TONE[status]
                if self._unfit:
                    text, tone = f"{text} {self._unfit}", Tone.WARNING
        say(self.ui.statusLabel, self.ui.statusIcon, text, tone)
