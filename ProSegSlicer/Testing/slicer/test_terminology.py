from __future__ import annotations

import json

import pytest
import slicer

from proseg.labels import ANATOMICAL_STRUCTURE, ZONES
from proseg.outputs.segnrrd import ZONE_CONTEXT, terminology
from ProSegSlicerLib.scene import logic
from ProSegSlicerLib.terminology import TERMS, load_terminology


def test_slicer_knows_the_zones_codes_and_colours_after_start_up() -> None:
    assert load_terminology()
    assert load_terminology()  # a second time does no harm
    terms = logic("Terminologies")
    category = slicer.vtkSlicerTerminologyCategory()
    assert terms.GetNthCategoryInTerminology(ZONE_CONTEXT, 0, category)
    assert category.GetCodeValue() == ANATOMICAL_STRUCTURE.value
    assert terms.GetNumberOfTypesInTerminologyCategory(ZONE_CONTEXT, category) == len(ZONES)
    for number, zone in enumerate(ZONES):
        kind = slicer.vtkSlicerTerminologyType()
        assert terms.GetNthTypeInTerminologyCategory(ZONE_CONTEXT, category, number, kind)
        found = (kind.GetCodingSchemeDesignator(), kind.GetCodeValue(), kind.GetCodeMeaning())
        assert found == (zone.type.scheme, zone.type.value, zone.type.meaning)
        assert tuple(kind.GetRecommendedDisplayRGBValue()) == zone.colour


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.short)
def test_slicer_understands_the_segments_tags(zone: object) -> None:
    load_terminology()
    entry = slicer.vtkSlicerTerminologyEntry()
    assert logic("Terminologies").DeserializeTerminologyEntry(terminology(zone), entry)
    assert entry.GetTypeObject().GetCodeMeaning() == zone.type.meaning
    assert entry.GetRegionObject().GetCodeValue() == "41216001"


def test_the_file_names_the_context_that_segments_refer_to() -> None:
    assert json.loads(TERMS.read_text())["SegmentationCategoryTypeContextName"] == ZONE_CONTEXT
