"""granuleIdExtraction: which granule a file belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.cumulus.granule_ids import GranuleIds
from pileus.errors import DocumentError

MODIS = GranuleIds(r"(MOD09GQ\..*)(\.hdf|\.cmr|_ndvi\.jpg)", r"^MOD09GQ\.A[\d]{7}\.[\S]{6}\.006\.[\d]{13}$")
ID = "MOD09GQ.A2017025.h21v00.006.2017034065104"


@pytest.mark.parametrize("ending", [".hdf", ".hdf.met", ".cmr.xml", "_ndvi.jpg"])
def test_all_files_of_a_granule_have_its_id(ending: str) -> None:
    assert MODIS.id_of(ID + ending) == ID
    assert MODIS.id_of(f"BROWSE.{ID}{ending}") == ID, "the expression need not match the whole name"


def test_files_of_one_id_are_one_granule() -> None:
    other = ID.replace("h21v00", "h22v00")
    files = [f"{ID}.hdf", f"{other}.hdf", f"{ID}.hdf.met", f"{other}.cmr.xml"]
    assert MODIS.by_id(files, str) == {ID: [files[0], files[2]], other: [files[1], files[3]]}


def test_a_name_without_an_id_is_an_error_that_names_file_and_expression() -> None:
    with pytest.raises(DocumentError, match=r"^readme.txt: granuleIdExtraction '\(MOD09GQ.* finds no granule id in it"):
        MODIS.id_of("readme.txt")
    with pytest.raises(DocumentError, match=r"its granule id 'MOD09GQ[.]A1' does not match granuleId"):
        MODIS.id_of("MOD09GQ.A1.hdf")


def test_without_a_group_the_id_is_all_that_matches_and_without_an_expression_the_name() -> None:
    assert GranuleIds("[0-9]+").id_of("a_123_b.nc") == "123"
    assert GranuleIds(None).id_of("a_123_b.nc") == "a_123_b.nc"


def test_what_looks_behind_is_understood_too() -> None:
    ids = GranuleIds(r"^(ATL08.*(?<!BRW))(\.h5|\.h5\.dmrpp|_BRW\.h5|_BRW.*\.jpg)$")
    names = ["ATL08_1_006.h5", "ATL08_1_006.h5.dmrpp", "ATL08_1_006_BRW.h5", "ATL08_1_006_BRW.default.jpg"]
    assert {ids.id_of(name) for name in names} == {"ATL08_1_006"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["hdf", "xml", "jpg"])), unique=True))
def test_each_file_is_in_one_granule(names: list[tuple[str, str]]) -> None:
    files = [".".join(name) for name in names]
    granules = GranuleIds(r"^(.*)\.").by_id(files, str)
    assert sorted(file for one in granules.values() for file in one) == sorted(files)
    assert all(len({file[0] for file in one}) == 1 for one in granules.values())
