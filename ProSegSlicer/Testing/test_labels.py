"""The zones' names, colours and codes agree with what is written elsewhere."""

from __future__ import annotations

from proseg.labels import BACKGROUND, CG, CLASS_COUNT, PZ, ZONES


def test_labels_are_the_classes_of_the_network_in_order() -> None:
    assert [BACKGROUND, *(zone.label for zone in ZONES)] == [BACKGROUND, PZ, CG] == list(range(CLASS_COUNT))


def test_zones_are_told_apart_by_name_colour_and_code() -> None:
    for attribute in ("short", "name", "colour", "type"):
        assert len({getattr(zone, attribute) for zone in ZONES}) == len(ZONES)


def test_the_peripheral_zone_is_coded_in_snomed_and_the_central_gland_privately() -> None:
    peripheral, central = (zone.type for zone in ZONES)
    assert (peripheral.scheme, peripheral.value) == ("SCT", "279706003")
    assert central.scheme.startswith("99")  # DICOM PS3.16 section 8: private coding schemes
